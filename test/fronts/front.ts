/** A proxy with TLS in front of a server, by a configuration as the documents have it, and a home behind both. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { request } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import WebSocket from "ws";
import { createCertificate } from "../adapters/origin/certificate.ts";
import { freePorts } from "../helpers/program.ts";
import { type Server, startAgent, startServer, temporaryFolder } from "../helpers/tunnel.ts";
import { type Answer, type AskOptions, read } from "../helpers/visitor.ts";

/** In place of `tunnel.example.net`. */
const DOMAIN = "localhost";
const HOME = `home.${DOMAIN}`;

/** What stands in for the machines and files of the documents. */
export type FrontPlace = {
  /** The server behind it, `127.0.0.1:PORT`, and its operator's listener. */
  readonly server: string;
  readonly operator: string;
  readonly port: number;
  readonly folder: string;
  readonly certificate: string;
  readonly key: string;
  /** Both of them. */
  readonly both: string;
};

export type FrontKind = {
  /** Writes the configuration for that place; gives the command line that runs it, and stays. */
  prepare(place: FrontPlace): readonly string[];
  /** The certificate that is to be trusted, where it is not the one of the place. */
  authority?(place: FrontPlace): string;
};

export type Front = {
  /** Whatever the home's service answers, by the home's name over TLS. */
  ask(path: string, options?: AskOptions): Promise<Answer>;
  open(path: string, options?: AskOptions): Promise<IncomingMessage>;
  webSocket(path: string, headers?: OutgoingHttpHeaders): WebSocket;
};

/** A home behind a front: its agent, too, comes through it. Visitors are let in as they are. */
export async function startFront(kind: FrontKind, origin: string): Promise<Front> {
  const server = await startServer({ flags: [`--domain=${DOMAIN}`, "--trusted-proxy=127.0.0.1"] });
  const place = await createPlace(server);
  await runFront(kind.prepare(place), place.folder, place.port);
  const authority = kind.authority?.(place) ?? place.certificate;
  await startAgent({ url: `https://${DOMAIN}:${place.port}` }, origin, {
    protocol: "native",
    flags: ["--access=public", `--server-ca=${authority}`],
  });
  return visitorsThrough(place.port, authority, HOME);
}

/** Who comes to a front over TLS, and asks for that name. */
export function visitorsThrough(port: number, authority: string, name: string): Front {
  const tls = { ca: readFileSync(authority), servername: name };
  const host = `${name}:${port}`;
  const open = (path: string, { method = "GET", headers = {}, body }: AskOptions = {}) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const to = { host: "127.0.0.1", port, path, method, agent: false, ...tls };
      const call = request({ ...to, headers: { host, ...headers } });
      call.once("error", reject);
      call.once("response", resolve);
      call.end(body);
    });
  return {
    open,
    ask: async (path, options) => read(await open(path, options)),
    webSocket: (path, headers = {}) => {
      const socket = new WebSocket(`wss://127.0.0.1:${port}${path}`, {
        ...tls,
        headers: { host, ...headers },
      });
      onTestFinished(() => socket.terminate());
      return socket;
    },
  };
}

/** A folder with a certificate for those names, and a port for a front of that server. */
export async function createPlace(
  server: Pick<Server, "port" | "adminPort">,
  names: readonly string[] = [HOME],
): Promise<FrontPlace> {
  const [port] = await freePorts();
  const folder = temporaryFolder();
  const { cert, key } = createCertificate({ alsoFor: names });
  const write = (name: string, text: string) => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  return {
    server: `127.0.0.1:${server.port}`,
    operator: `127.0.0.1:${server.adminPort}`,
    port,
    folder,
    certificate: write("certificate.pem", cert),
    key: write("key.pem", key),
    both: write("both.pem", cert + key),
  };
}

/** Runs a program in a folder until it takes connections on the port; it has a home of its own there. */
export async function runFront(line: readonly string[], folder: string, port: number): Promise<void> {
  const [program = "", ...args] = line;
  mkdirSync(join(folder, "home"));
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: join(folder, "home") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  while (!(await canConnect(port))) {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}: ${output}`);
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** The configuration with everything of this place in it. Throws for what a document no longer says. */
export function placed(text: string, replaced: Readonly<Record<string, string>>): string {
  let now = text;
  for (const [from, to] of Object.entries(replaced)) {
    if (!now.includes(from)) throw new Error(`the configuration does not say ${from}`);
    now = now.replaceAll(from, to);
  }
  return now;
}

export function written(folder: string, name: string, text: string): string {
  const file = join(folder, name);
  if (existsSync(file)) throw new Error(`there is a ${name} already`);
  writeFileSync(file, text);
  return file;
}

/** No port but the one that it is given, and nothing that stays in the machine. */
const CADDY_OPTIONS = "{\n  admin off\n  auto_https disable_redirects\n  skip_install_trust\n";

/** The command line that runs Caddy with that Caddyfile. */
export function caddy(text: string, folder: string): readonly string[] {
  const [, options] = /^\{\n([\s\S]*)/.exec(text) ?? [];
  const file = written(folder, "Caddyfile", CADDY_OPTIONS + (options ?? `}\n${text}`));
  return ["caddy", "run", "--config", file, "--adapter", "caddyfile"];
}

/** Any name at that port, with certificates that the authority of this Caddy alone has signed. */
export function ofOwnAuthority(text: string, port: number): string {
  const signed = text.replace(/^(\s+)tls \{$/m, "$1tls internal {");
  if (signed === text) throw new Error("the configuration says nothing of TLS");
  return placed(signed, { "https:// {": `https://:${port} {` });
}

/** Where Caddy keeps the certificate of its own authority. */
export function caddyAuthority(folder: string): string {
  return join(folder, "home/.local/share/caddy/pki/authorities/local/root.crt");
}
