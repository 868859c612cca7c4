/** The image, on a base that is made of Debian's packages where no registry of images can be reached. */
import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, test } from "vitest";
import { startProgram, untilTrue } from "../helpers/program.ts";
import { ACCESS_TOKEN } from "../helpers/tunnel.ts";
import { sh } from "./shell.ts";
import { fetchThrough } from "./tunnel.ts";

const IMAGE = "culvert:test";
const BASE = process.env.TEST_BASE_IMAGE ?? "node:26-bookworm-slim";
const LABEL = `culvert-test=${randomUUID()}`;
const SIZE_MAX = 160_000_000;

sh(`docker build --network host --build-arg BASE=${BASE} --tag ${IMAGE} .`, {
  env: { DOCKER_BUILDKIT: "0" },
});
afterAll(() =>
  sh(`docker ps --all --quiet --filter label=${LABEL} | xargs --no-run-if-empty docker rm --force --volumes`),
);

/** As little as a container can be given. */
const RUN = [
  ...["docker", "run", "--rm", "--label", LABEL, "--network", "host", "--env", "TUNNEL_ACCESS_TOKEN"],
  ...["--read-only", "--tmpfs", "/tmp:exec", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
];

describe("the image", () => {
  test("is small, runs as nobody in particular, and ends as the program wants to", () => {
    const [image] = JSON.parse(sh(`docker image inspect ${IMAGE}`));
    console.log(`${IMAGE}: ${(image.Size / 1e6).toFixed(0)} MB`);
    expect(image.Size).toBeLessThan(SIZE_MAX);
    expect(image.Config).toMatchObject({ User: "10001:10001", StopSignal: "SIGTERM", WorkingDir: "/data" });
    expect(image.Config.Labels["org.opencontainers.image.licenses"]).toBe("MPL-2.0");
  });

  test("brings a file through a tunnel, with a read-only root and no right at all", async () => {
    const programs = await fetchThrough({ command: [...RUN, IMAGE], stateFile: "/data/agent.json" });
    for (const program of programs) expect(program.output()).not.toContain("bufferutil");
  });

  test("is healthy while its server is, keeps its database in /data, and stops at once", async () => {
    const name = `culvert-${randomUUID()}`;
    // Ports of its own: the operator's listener is where the health check looks for it.
    const command = [...RUN.map((word) => (word === "host" ? "none" : word)), "--name", name, IMAGE];
    const server = startProgram(["serve", "--port=8000"], {
      command,
      environment: { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN },
    });
    await untilTrue(() => server.output().includes("listening on"), server);
    const health = () => sh(`docker inspect --format '{{.State.Health.Status}}' ${name}`).trim();
    await untilTrue(() => health() === "healthy", server);
    expect(sh(`docker diff ${name}`)).toBe("");
    expect(sh(`docker cp ${name}:/data/culvert.db - | tar --list`)).toBe("culvert.db\n");
    sh(`docker exec ${name} culvert health`);
    sh(`docker stop --time 60 ${name}`);
    expect(await server.ended).toBe(0);
    expect(server.output()).toContain('"msg":"draining"');
  });
});
