/** The Docker registry with skopeo: an image with a large layer up, in chunks that follow `Location`, and down again. */
import { createHash } from "node:crypto";
import { mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { temporaryFolder } from "../helpers/tunnel.ts";
import { describeApp, isWhole } from "./tools/app.ts";
import { fromDebian } from "./tools/cache.ts";
import { MIB, sha256Of, writeRandomFile } from "./tools/files.ts";
import { freePort, run, serve } from "./tools/programs.ts";

const BYTES = isWhole ? 150 * MIB : 40 * MIB;

describeApp({
  name: "Docker registry",
  front: "nginx",
  install: () => fromDebian({ skopeo: "skopeo", "docker-registry": "docker-registry" }),
  use: async (_, publish) => {
    const folder = temporaryFolder();
    const port = await freePort();
    const settings = {
      version: 0.1,
      storage: { filesystem: { rootdirectory: join(folder, "store") } },
      http: { addr: `127.0.0.1:${port}` },
      log: { level: "error" },
    };
    writeFileSync(join(folder, "config.yml"), JSON.stringify(settings));
    await serve("docker-registry", ["serve", join(folder, "config.yml")], port, {
      environment: { OTEL_TRACES_EXPORTER: "none" },
    });
    const { url, host, environment } = await publish(port);
    const layer = await writeImage(join(folder, "image"), folder);
    const isPlain = url.startsWith("http:");
    const skopeo = (...args: string[]) =>
      run("skopeo", ["--insecure-policy", ...args], { environment: { ...environment, HOME: folder } });
    const place = `docker://${host}/music/large:1`;
    const image = `oci:${join(folder, "image")}:1`;
    await skopeo("copy", `--dest-tls-verify=${!isPlain}`, image, place);
    await skopeo("copy", `--src-tls-verify=${!isPlain}`, place, `dir:${join(folder, "taken")}`);
    expect(await sha256Of(join(folder, "taken", layer))).toBe(layer);
    const { Digest } = JSON.parse(await skopeo("inspect", `--tls-verify=${!isPlain}`, place));
    expect(Digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  },
});

/** An image of one layer as the Open Container Initiative has it. The SHA-256 of its layer. */
async function writeImage(image: string, folder: string): Promise<string> {
  const blobs = join(image, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const content = join(folder, "content");
  mkdirSync(content);
  writeRandomFile(join(content, "large"), BYTES);
  const archive = join(folder, "layer.tar");
  await run("tar", ["-cf", archive, "-C", content, "large"]);
  const diffId = await sha256Of(archive);
  // As registries get it from everybody: else skopeo would send another one than this.
  await run("gzip", ["--fast", archive]);
  const layer = await sha256Of(`${archive}.gz`);
  renameSync(`${archive}.gz`, join(blobs, layer));
  const layerBytes = statSync(join(blobs, layer)).size;
  const put = (value: object) => {
    const text = JSON.stringify(value);
    const digest = createHash("sha256").update(text).digest("hex");
    writeFileSync(join(blobs, digest), text);
    return { digest: `sha256:${digest}`, size: text.length };
  };
  const type = (name: string) => `application/vnd.oci.image.${name}`;
  const config = put({
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: [`sha256:${diffId}`] },
  });
  const manifest = put({
    schemaVersion: 2,
    mediaType: type("manifest.v1+json"),
    config: { mediaType: type("config.v1+json"), ...config },
    layers: [{ mediaType: type("layer.v1.tar+gzip"), digest: `sha256:${layer}`, size: layerBytes }],
  });
  const annotations = { "org.opencontainers.image.ref.name": "1" };
  const index = {
    schemaVersion: 2,
    manifests: [{ mediaType: type("manifest.v1+json"), ...manifest, annotations }],
  };
  writeFileSync(join(image, "index.json"), JSON.stringify(index));
  writeFileSync(join(image, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  return layer;
}
