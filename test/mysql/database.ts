/** The MySQL of these tests: fresh databases in it, what its operator can do, and the accidents that befall it. */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { getContainerRuntimeClient } from "testcontainers";
import { afterAll, inject, onTestFinished } from "vitest";
import { openMysqlRegistry } from "../../adapters/registry/mysql.ts";
import type { MysqlReport, Registry } from "../../adapters/registry/registry.ts";
import { type MysqlSettings, parseMysqlUrl } from "../../adapters/settings/mysql-url.ts";

export const server = inject("mysql");

/** Whether the server is ours to be paused and killed. */
export const isOurs = server.containerId !== null;

/** An ordinary account: without the rights that see an operator past a limit. No output may ever show the password. */
export const ACCOUNT = { user: "culvert_test", password: "canary/password 5d1f" };

export type Database = {
  readonly name: string;
  /** As in `--database`, with further parameters, through `port` in place of the server's own. */
  url(parameters?: Readonly<Record<string, string | number>>, port?: number): string;
  settings(parameters?: Readonly<Record<string, string | number>>, port?: number): MysqlSettings;
  /** As the operator. */
  query(sql: string): Promise<RowDataPacket[]>;
};

const made: string[] = [];

afterAll(async () => {
  for (const name of made.splice(0)) await asRoot(`DROP DATABASE IF EXISTS ${name}`);
});

/** An empty one, gone when the file is done. */
export async function createDatabase(): Promise<Database> {
  const name = `culvert_test_${randomBytes(6).toString("hex")}`;
  made.push(name);
  const { user, password } = ACCOUNT;
  await asRoot(`CREATE DATABASE ${name}`);
  await asRoot(`CREATE USER IF NOT EXISTS '${user}'@'%' IDENTIFIED BY '${password}'`);
  await asRoot(`GRANT ALL ON ${name}.* TO '${user}'@'%'`);
  const url: Database["url"] = (parameters = {}, port = server.port) => {
    const texts = Object.entries(parameters).map(([key, value]) => `${key}=${value}`);
    const query = texts.length === 0 ? "" : `?${texts.join("&")}`;
    return `mysql://${user}:${encodeURIComponent(password)}@${server.host}:${port}/${name}${query}`;
  };
  return {
    name,
    url,
    settings: (parameters, port) => {
      const settings = parseMysqlUrl(url(parameters, port));
      if ("problem" in settings) throw new Error(settings.problem);
      return settings;
    },
    query: (sql) => asRoot(sql, name),
  };
}

/** One statement on a connection of its own, which survives every accident before it. */
export async function asRoot(sql: string, database?: string): Promise<RowDataPacket[]> {
  const session = await openSession(database);
  try {
    return await session.query(sql);
  } finally {
    await session.close();
  }
}

export type Session = {
  query(sql: string): Promise<RowDataPacket[]>;
  close(): Promise<void>;
};

/** A connection of the operator, for transactions and locks. */
export async function openSession(database?: string, flags: string[] = []): Promise<Session> {
  const { host, port, user, password } = server;
  const options = { host, port, user, password, flags, ...(database === undefined ? {} : { database }) };
  const connection = await createConnection(options);
  connection.on("error", () => {});
  return {
    query: async (sql) => {
      const [rows] = await connection.query<RowDataPacket[]>(sql);
      return rows;
    },
    close: () => connection.end(),
  };
}

/** Changes a variable of the server until the test is over, on a session that no limit can shut out any more. */
export async function setGlobal(name: string, value: string | number): Promise<void> {
  const session = await openSession();
  const [before] = await session.query(`SELECT @@GLOBAL.${name} AS value`);
  onTestFinished(async () => {
    await session.query(`SET GLOBAL ${name} = ${quoted(before?.value)}`);
    await session.close();
  });
  await session.query(`SET GLOBAL ${name} = ${quoted(value)}`);
}

function quoted(value: unknown): string {
  return typeof value === "number" ? String(value) : `'${value}'`;
}

export type OpenedRegistry = { readonly registry: Registry; readonly reports: readonly MysqlReport[] };

/** A registry on the database, closed at the end of the test. */
export async function openRegistry(
  database: Database,
  parameters: Readonly<Record<string, string | number>> = {},
  port?: number,
): Promise<OpenedRegistry> {
  const reports: MysqlReport[] = [];
  const settings = database.settings(parameters, port);
  const registry = await openMysqlRegistry(settings, (report) => reports.push(report));
  onTestFinished(() => registry.close());
  return { registry, reports };
}

/** Looks until it is so; the test's own time is the limit. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await pause(POLL_MS);
}

const POLL_MS = 20;

/** How many connections the account has in that database. */
export async function connectionsOf(database: Database): Promise<{ readonly id: number }[]> {
  const rows = await asRoot(
    `SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = '${ACCOUNT.user}' AND DB = '${database.name}'`,
  );
  return rows.map(({ id }) => ({ id: Number(id) }));
}

/** Processes keep their memory and the kernel their connections, and nothing answers. */
export async function pauseServer(): Promise<void> {
  await (await container()).pause();
  onTestFinished(async () => {
    const found = await container();
    const { State } = await found.inspect();
    if (State.Paused) await found.unpause();
  });
}

export async function unpauseServer(): Promise<void> {
  await (await container()).unpause();
}

/** `kill -9` of mysqld. */
export async function killServer(): Promise<void> {
  await (await container()).kill({ signal: "SIGKILL" });
  onTestFinished(startServer);
}

/** Back on the same port with the same data; nothing where it runs already. */
export async function startServer(): Promise<void> {
  const found = await container();
  const { State } = await found.inspect();
  if (!State.Running) await found.start();
  await until(() =>
    asRoot("SELECT 1").then(
      () => true,
      () => false,
    ),
  );
}

/** An orderly stop and a start. */
export async function restartServer(): Promise<void> {
  await (await container()).restart();
  await startServer();
}

/** A file inside the container. */
export async function readServerFile(path: string): Promise<string> {
  const { container: client } = await getContainerRuntimeClient();
  const { output } = await client.exec(await container(), ["cat", path]);
  return output;
}

async function container() {
  if (server.containerId === null) throw new Error("the server is not ours");
  const { container: client } = await getContainerRuntimeClient();
  return client.getById(server.containerId);
}
