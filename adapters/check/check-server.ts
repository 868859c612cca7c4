/** What would become of `culvert serve` with these settings. Nothing is changed: no schema, no file, no listener that stays. */
import { accessSync, constants, existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, resolve } from "node:path";
import { causeOf, codeOf } from "../error-cause.ts";
import { reachDatabase } from "../registry/reach.ts";
import type { ServeConfig } from "../settings/settings.ts";
import { type Finding, note, ok, problem } from "./findings.ts";

export async function checkServer(config: ServeConfig): Promise<readonly Finding[]> {
  return [
    await listen("visitors and agents", config.bind, config.port),
    await listen("the operator", config.adminBind, config.adminPort),
    ...(config.peer === null ? [] : [await listen("other nodes", config.peer.bind, config.peer.port)]),
    ...acceptQueue(await readSomaxconn()),
    await database(config),
    ...ways(config),
    ...credentials(config),
  ];
}

/** A port that is taken may be by the server that runs with these settings. */
async function listen(whom: string, bind: string, port: number): Promise<Finding> {
  const place = `${bind.includes(":") ? `[${bind}]` : bind}:${port}`;
  const server = createServer();
  try {
    await new Promise<void>((done, fail) => {
      server.once("error", fail);
      server.listen(port, bind, done);
    });
  } catch (error) {
    if (codeOf(error) === "EADDRINUSE")
      return note(`${place}, for ${whom}, is taken: by a server that runs, perhaps`);
    return problem(`cannot listen for ${whom} at ${place}: ${causeOf(error)}`);
  }
  await new Promise((done) => server.close(done));
  return ok(`listens for ${whom} at ${port === 0 ? `${place}, which is any free port` : place}`);
}

/** `somaxconn`: how many connections the system lets wait to be accepted; null where it does not tell. */
export function acceptQueue(somaxconn: number | null): readonly Finding[] {
  if (somaxconn === null || somaxconn >= MANY) return [];
  return [
    note(
      `only ${somaxconn} connections can wait to be accepted: where more agents than that may come at once, set sysctl net.core.somaxconn=${MANY}`,
    ),
  ];
}

/** What Linux has had as its default since 5.4. */
const MANY = 4_096;

async function readSomaxconn(): Promise<number | null> {
  try {
    return Number(await readFile("/proc/sys/net/core/somaxconn", "latin1"));
  } catch {
    return null;
  }
}

async function database({ database: settings }: ServeConfig): Promise<Finding> {
  if (settings.type === "mysql") {
    const { host, port, name } = settings;
    const failure = await reachDatabase(settings);
    if (failure !== null)
      return problem(`the database ${name} at ${host}:${port} cannot be used: ${failure}`);
    return ok(`the database ${name} at ${host}:${port} answers`);
  }
  const { path } = settings;
  if (path === ":memory:") return note("the database is in memory: every home is forgotten at the end");
  const file = resolve(path);
  if (!existsSync(file)) {
    const folder = dirname(file);
    if (!isWritable(folder))
      return problem(`the database ${file} cannot be made: ${folder} cannot be written`);
    return ok(`the database ${file} is made at the start`);
  }
  const failure = await reachDatabase(settings);
  if (failure !== null) return problem(`the database ${file} cannot be used: ${failure}`);
  if (!isWritable(file)) return problem(`the database ${file} can be read but not written`);
  return ok(`the database ${file} can be used`);
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function ways({ domain, hostnames, pathRouting }: ServeConfig): readonly Finding[] {
  const found = [
    ...(domain === null
      ? []
      : [ok(`a home is at https://CLIENT-ID.${domain}/: its DNS and certificates are yours to see to`)]),
    ...Object.entries(hostnames).map(([name, clientId]) =>
      ok(`the home ${clientId} is at https://${name}/, too`),
    ),
    ...(pathRouting ? [ok("a home is at /t/CLIENT-ID/ too; such homes are one web origin")] : []),
  ];
  if (found.length > 0) return found;
  return [note("no browser opens a home: give --domain, or --path-routing on")];
}

function credentials({ accessToken, trustedProxies }: ServeConfig): readonly Finding[] {
  const proxies =
    trustedProxies.length > 0
      ? ok(`takes the word of proxies at ${trustedProxies.join(", ")} on who visits`)
      : note("no proxy is trusted: behind one, all visitors seem to have its address");
  if (accessToken !== null) return [ok("agents register with the access token that is given"), proxies];
  return [note("an access token is made for each run, and printed"), proxies];
}
