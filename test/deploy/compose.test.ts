/**
 * The compose files: a server behind Caddy and an agent beside a service, each as `docker compose up` brings them up. What a public
 * authority and DNS would do is done by Caddy's own authority and by aliases in the networks.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, chownSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePorts } from "../helpers/program.ts";
import { ROOT, sh } from "./shell.ts";

const BASE = process.env.TEST_BASE_IMAGE ?? "";
const IMAGE = "culvert:test";
const SERVICE = "culvert-service:test";
const DOMAIN = "tunnel.example.test";
const USER = 10_001;

const folder = mkdtempSync(join(tmpdir(), "culvert-compose-"));
const project = `culvert-${randomUUID().slice(0, 8)}`;
const [httpPort, httpsPort] = await freePorts();
const authority = join(folder, "root.crt");

const environment = {
  ...process.env,
  ...{ DOMAIN, CULVERT_IMAGE: IMAGE, CADDY_IMAGE: BASE, CADDY_OPTIONS: "local_certs" },
  ...{ HTTP_PORT: String(httpPort), HTTPS_PORT: String(httpsPort) },
  ...{ CULVERT_SERVER: `https://${DOMAIN}`, CLIENT_ID: "my-home", ACCESS: "public", SERVICE_IMAGE: SERVICE },
};

function compose(name: "server" | "agent", ...words: readonly string[]): string {
  const file = name === "server" ? "compose.yaml" : "compose.agent.yaml";
  const files = ["--file", file, "--file", `${name}.override.yaml`, "--project-name", `${project}-${name}`];
  return execFileSync("docker-compose", [...files, ...words], {
    cwd: folder,
    env: environment,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** A visitor who knows the authority, and finds the name here. */
function visit(name: string, path = "/"): { readonly code: number | null; readonly body: string } {
  const resolve = ["--resolve", `${name}:${httpsPort}:127.0.0.1`];
  const { status, stdout } = spawnSync(
    "curl",
    [
      "--silent",
      "--max-time",
      "20",
      "--cacert",
      authority,
      ...resolve,
      `https://${name}:${httpsPort}${path}`,
    ],
    { encoding: "utf8" },
  );
  return { code: status, body: stdout };
}

/** Of curl(1): the handshake of TLS failed. */
const NO_HANDSHAKE = 35;

beforeAll(() => {
  sh(`docker build --network host --build-arg BASE=${BASE} --tag ${IMAGE} .`, {
    env: { DOCKER_BUILDKIT: "0" },
  });
  for (const name of ["compose.yaml", "compose.agent.yaml", "Caddyfile"])
    cpSync(join(ROOT, "deploy", name), join(folder, name));
  writeFileSync(
    join(folder, "service"),
    `:80 {
  respond /who "{header.x-forwarded-for} came by {header.x-forwarded-proto}"
  respond /file "from my home\n"
}\n`,
  );
  const serve = '["caddy", "run", "--config", "/service", "--adapter", "caddyfile"]';
  writeFileSync(join(folder, "Dockerfile"), `FROM ${BASE}\nCOPY service /service\nCMD ${serve}\n`);
  sh(`docker build --tag ${SERVICE} ${folder}`, { env: { DOCKER_BUILDKIT: "0" } });
  const token = join(folder, "access-token");
  writeFileSync(token, "secret-of-the-test\n");
  chmodSync(token, 0o400);
  chownSync(token, USER, USER);
  writeFileSync(
    join(folder, "server.override.yaml"),
    JSON.stringify({ services: { caddy: { networks: { front: { aliases: [DOMAIN] } } } } }),
  );
  writeFileSync(
    join(folder, "agent.override.yaml"),
    JSON.stringify({
      services: {
        agent: {
          networks: ["home", "internet"],
          environment: { NODE_EXTRA_CA_CERTS: "/root.crt" },
          volumes: [`${authority}:/root.crt:ro`],
        },
      },
      networks: { internet: { external: true, name: `${project}-server_front` } },
    }),
  );
  compose("server", "up", "--detach");
  until(() => {
    const made = join("/data/caddy/pki/authorities/local/root.crt");
    writeFileSync(authority, compose("server", "exec", "-T", "caddy", "cat", made));
    return readFileSync(authority, "utf8").includes("BEGIN CERTIFICATE");
  });
  compose("agent", "up", "--detach");
});

afterAll(() => {
  for (const name of ["agent", "server"] as const) compose(name, "down", "--volumes", "--timeout", "5");
  rmSync(folder, { recursive: true, force: true });
});

/** Each look asks another process, which takes its time. */
function until(look: () => boolean): void {
  for (;;) {
    try {
      if (look()) return;
    } catch {
      // It is not there yet.
    }
  }
}

describe("a server behind Caddy, and a home elsewhere", () => {
  test("are reached by https under the home's name, which nobody made a certificate for", () => {
    until(() => visit(`my-home.${DOMAIN}`, "/file").body === "from my home\n");
    expect(visit(`my-home.${DOMAIN}`, "/file")).toEqual({ code: 0, body: "from my home\n" });
    expect(visit(DOMAIN, "/health").code).toBe(0);
  });

  test.each([`nobody.${DOMAIN}`, `www.${DOMAIN}`, "example.org", `a.my-home.${DOMAIN}`])(
    "get no certificate for %s",
    (name) => {
      expect(visit(name).code).toBe(NO_HANDSHAKE);
      const made = compose(
        "server",
        "exec",
        "-T",
        "caddy",
        "find",
        "/data/caddy/certificates",
        "-name",
        "*.crt",
      );
      expect(made).toContain(`/my-home.${DOMAIN}.crt`);
      expect(made).not.toContain(`/${name}.crt`);
    },
  );

  test("tell the home who its visitor is, and not who Caddy is", () => {
    // Of the visitor the engine's network shows its own end.
    expect(visit(`my-home.${DOMAIN}`, "/who")).toEqual({ code: 0, body: "172.30.117.1 came by https" });
  });

  test("run as nobody, with a root that they cannot write to, and are well", () => {
    const [server = ""] = compose("server", "ps", "--quiet", "culvert").trim().split("\n");
    const [agent = ""] = compose("agent", "ps", "--quiet", "agent").trim().split("\n");
    until(() => sh(`docker inspect --format '{{.State.Health.Status}}' ${server}`).trim() === "healthy");
    for (const id of [server, agent]) {
      const [{ Config, HostConfig, State }] = JSON.parse(sh(`docker inspect ${id}`));
      expect(Config.User).toBe(`${USER}:${USER}`);
      expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, CapDrop: ["ALL"] });
      expect(State.Status).toBe("running");
    }
  });

  test("find each other again when the server was stopped and started", () => {
    compose("server", "stop", "culvert");
    const [id] = compose("server", "ps", "--quiet", "--all", "culvert").trim().split("\n");
    expect(sh(`docker inspect --format '{{.State.ExitCode}}' ${id}`).trim()).toBe("0");
    compose("server", "start", "culvert");
    until(() => visit(`my-home.${DOMAIN}`, "/file").body === "from my home\n");
  });
});
