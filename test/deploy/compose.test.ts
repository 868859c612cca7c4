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
const MYSQL = process.env.TEST_MYSQL_IMAGE ?? "culvert-mysql:local";
const IMAGE = "culvert:test";
const SERVICE = "culvert-service:test";
const DOMAIN = "tunnel.example.test";
const USER = 10_001;

const service = mkdtempSync(join(tmpdir(), "culvert-service-"));

beforeAll(() => {
  sh(`docker build --network host --build-arg BASE=${BASE} --tag ${IMAGE} .`, {
    env: { DOCKER_BUILDKIT: "0" },
  });
  writeFileSync(
    join(service, "service"),
    `:80 {
  respond /who "{header.x-forwarded-for} came by {header.x-forwarded-proto}"
  respond /file "from my home"
}\n`,
  );
  const serve = '["caddy", "run", "--config", "/service", "--adapter", "caddyfile"]';
  writeFileSync(join(service, "Dockerfile"), `FROM ${BASE}\nCOPY service /service\nCMD ${serve}\n`);
  sh(`docker build --tag ${SERVICE} ${service}`, { env: { DOCKER_BUILDKIT: "0" } });
});
afterAll(() => rmSync(service, { recursive: true, force: true }));

/** Of curl(1): the handshake of TLS failed. */
const NO_HANDSHAKE = 35;

/** Nothing here takes so long but what never comes. Looks keep the process, so that a test's own time never runs out. */
const PATIENCE_MS = 180_000;

/** Each look asks another process, which takes its time. */
function until(look: () => boolean): void {
  const begun = performance.now();
  let cause: unknown;
  while (performance.now() - begun < PATIENCE_MS) {
    try {
      if (look()) return;
    } catch (error) {
      // It is not there yet.
      cause = error;
    }
  }
  throw new Error(`it never came: ${look}`, { cause });
}

const NODES_MAX = 3;

type Part = "server" | "agent";

/** One of the files with servers, and the one with an agent, as projects of their own in a folder with their secrets. */
class Stack {
  readonly folder = mkdtempSync(join(tmpdir(), "culvert-compose-"));
  readonly #project = `culvert-${randomUUID().slice(0, 8)}`;
  readonly #files: Readonly<Record<Part, string>>;
  readonly #authority = join(this.folder, "root.crt");
  readonly #ports: readonly [number, number];

  constructor(file: string, ports: readonly [number, number]) {
    this.#files = { server: file, agent: "compose.agent.yaml" };
    this.#ports = ports;
    for (const name of [...Object.values(this.#files), "Caddyfile", "Caddyfile.cluster"]) {
      cpSync(join(ROOT, "deploy", name), join(this.folder, name));
    }
    this.#secret("access-token", "secret-of-the-test", USER);
    this.#secret("database-url", "mysql://culvert:secret-password@mysql/culvert", USER);
    this.#secret("cluster-secret", "cluster-secret-of-the-test-4c1d77a09be2", USER);
    this.#secret("mysql-password", "secret-password", 0);
    this.#override("server", {
      services: {
        caddy: { networks: { front: { aliases: [DOMAIN] } } },
        // The image that is made of Debian's packages takes passwords as variables only.
        ...(file.includes("cluster")
          ? {
              mysql: {
                environment: { MYSQL_PASSWORD: "secret-password", MYSQL_ROOT_PASSWORD: "secret-root" },
              },
            }
          : {}),
      },
    });
    this.#override("agent", {
      services: {
        agent: {
          networks: ["home", "internet"],
          environment: { NODE_EXTRA_CA_CERTS: "/root.crt" },
          volumes: [`${this.#authority}:/root.crt:ro`],
        },
      },
      networks: { internet: { external: true, name: `${this.#project}-server_front` } },
    });
  }

  up(): void {
    this.compose("server", "up", "--detach");
    until(() => {
      const made = "/data/caddy/pki/authorities/local/root.crt";
      writeFileSync(this.#authority, this.compose("server", "exec", "-T", "caddy", "cat", made));
      return readFileSync(this.#authority, "utf8").includes("BEGIN CERTIFICATE");
    });
    this.compose("agent", "up", "--detach");
  }

  down(): void {
    for (const part of ["agent", "server"] as const)
      this.compose(part, "down", "--volumes", "--timeout", "5");
    rmSync(this.folder, { recursive: true, force: true });
  }

  compose(part: Part, ...words: readonly string[]): string {
    const files = ["--file", this.#files[part], "--file", `${part}.override.yaml`];
    const [http, https] = this.#ports;
    return execFileSync(
      "docker-compose",
      [...files, "--project-name", `${this.#project}-${part}`, ...words],
      {
        cwd: this.folder,
        env: {
          ...process.env,
          ...{
            DOMAIN,
            CULVERT_IMAGE: IMAGE,
            CADDY_IMAGE: BASE,
            CADDY_OPTIONS: "local_certs",
            MYSQL_IMAGE: MYSQL,
          },
          ...{ HTTP_PORT: String(http), HTTPS_PORT: String(https) },
          ...{
            CULVERT_SERVER: `https://${DOMAIN}`,
            CLIENT_ID: "my-home",
            ACCESS: "public",
            SERVICE_IMAGE: SERVICE,
          },
        },
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
  }

  /** A visitor who knows the authority, and finds the name here. */
  visit(name: string, path = "/"): { readonly code: number | null; readonly body: string } {
    const [, port] = this.#ports;
    const known = ["--cacert", this.#authority, "--resolve", `${name}:${port}:127.0.0.1`];
    const { status, stdout } = spawnSync(
      "curl",
      ["--silent", "--max-time", "20", ...known, `https://${name}:${port}${path}`],
      { encoding: "utf8" },
    );
    return { code: status, body: stdout };
  }

  /** By each node, in turns: one that was asked for the home before it was there takes a moment to hear of it. */
  untilReached(): void {
    until(() => Array.from({ length: NODES_MAX }).every(() => this.#isReached()));
  }

  #isReached(): boolean {
    return this.visit(`my-home.${DOMAIN}`, "/file").body === "from my home";
  }

  idOf(part: Part, name: string): string {
    return this.compose(part, "ps", "--quiet", "--all", name).trim();
  }

  #secret(name: string, text: string, owner: number): void {
    const file = join(this.folder, name);
    writeFileSync(file, `${text}\n`);
    chmodSync(file, 0o400);
    chownSync(file, owner, owner);
  }

  #override(part: Part, content: object): void {
    writeFileSync(join(this.folder, `${part}.override.yaml`), JSON.stringify(content));
  }
}

describe.each([
  ["compose.yaml", "culvert", "172.30.117.1"],
  ["compose.cluster.yaml", "culvert-1", "172.30.118.1"],
])("what %s brings up, and a home elsewhere", (file, first, gateway) => {
  let stack: Stack;
  beforeAll(async () => {
    stack = new Stack(file, await freePorts());
    stack.up();
  });
  afterAll(() => stack.down());

  test("are reached by https under the home's name, which nobody made a certificate for", () => {
    stack.untilReached();
    expect(stack.visit(`my-home.${DOMAIN}`, "/file")).toEqual({ code: 0, body: "from my home" });
    expect(stack.visit(DOMAIN, "/health").code).toBe(0);
  });

  test.each([`nobody.${DOMAIN}`, `www.${DOMAIN}`, "example.org"])("get no certificate for %s", (name) => {
    expect(stack.visit(name).code).toBe(NO_HANDSHAKE);
    const made = stack.compose(
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
  });

  test("tell the home who its visitor is, and not who Caddy is", () => {
    // Of the visitor the engine's network shows its own end.
    expect(stack.visit(`my-home.${DOMAIN}`, "/who")).toEqual({ code: 0, body: `${gateway} came by https` });
  });

  test("run as nobody, with a root that they cannot write to, and are well", () => {
    const [server, agent] = [stack.idOf("server", first), stack.idOf("agent", "agent")];
    until(() => sh(`docker inspect --format '{{.State.Health.Status}}' ${server}`).trim() === "healthy");
    for (const id of [server, agent]) {
      const [{ Config, HostConfig, State }] = JSON.parse(sh(`docker inspect ${id}`));
      expect(Config.User).toBe(`${USER}:${USER}`);
      expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, CapDrop: ["ALL"] });
      expect(State.Status).toBe("running");
    }
  });

  test("find each other again when the server is stopped, at another one or once it is back", () => {
    stack.compose("server", "stop", first);
    expect(sh(`docker inspect --format '{{.State.ExitCode}}' ${stack.idOf("server", first)}`).trim()).toBe(
      "0",
    );
    if (file === "compose.yaml") stack.compose("server", "start", first);
    stack.untilReached();
  });
});
