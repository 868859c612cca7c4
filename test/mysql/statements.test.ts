/** What the statements cost the database, by its own counters and its own plans; and rows that others made (D10, D11). */
import { afterEach, describe, expect, test, vi } from "vitest";
import { linkStatements, nodeStatements } from "../../adapters/registry/mysql-nodes.ts";
import { checkTokens, statements } from "../../adapters/registry/mysql-statements.ts";
import type { RegistryOperation } from "../../core/registry.ts";
import { renewalOf } from "../helpers/node-contract.ts";
import { callRegistry } from "../helpers/registry-contract.ts";
import { ACCOUNT, asRoot, createDatabase, openRegistry, openSession, setGlobal, until } from "./database.ts";
import { MoosicBoxServer, makeMoosicBoxTables } from "./moosicbox-database.ts";

const MINUTE_MS = 60_000;

const OPERATIONS: readonly RegistryOperation[] = [
  { type: "check_token", kind: "signature", tokenHash: "a1", clientId: "home" },
  { type: "check_token", kind: "client_access", tokenHash: "a1", clientId: "home" },
  {
    type: "check_tokens",
    tokens: Array.from({ length: 3_000 }, (_, index) => ({
      kind: (["client_access", "signature", "magic"] as const)[index % 3] ?? "magic",
      tokenHash: `a${index}`,
      clientId: "home",
    })),
  },
  { type: "revoke_token", kind: "signature", tokenHash: "a1", clientId: "home" },
  { type: "find_magic_token", tokenHash: "a1" },
  { type: "insert_token", kind: "client_access", tokenHash: "a1", clientId: "home", lifetimeMs: null },
  { type: "insert_token", kind: "signature", tokenHash: "a1", clientId: "home", lifetimeMs: MINUTE_MS },
  {
    type: "upsert_connection",
    ...{ clientId: "home", tunnel: "t1", node: "n", fence: 1, leaseMs: MINUTE_MS, access: "token" },
  },
  { type: "recall_home", clientId: "home" },
  { type: "find_connection", clientId: "home" },
  { type: "delete_connection", clientId: "home", tunnel: "t1" },
  { type: "delete_node", node: "n" },
];

describe("a round trip", () => {
  /**
   * Every statement and command of the account, a handshake apart, as the server counted them. It counts the last one a moment
   * after it answered, so this looks until nothing changes any more.
   */
  async function commandsSoFar(): Promise<number> {
    let counted = -1;
    await until(async () => {
      const before = counted;
      const [row] = await asRoot(`
        SELECT SUM(COUNT_STAR) AS count FROM performance_schema.events_statements_summary_by_account_by_event_name
        WHERE USER = '${ACCOUNT.user}' AND EVENT_NAME <> 'statement/com/Quit'`);
      counted = Number(row?.count);
      return counted === before;
    });
    return counted;
  }

  test.each(OPERATIONS.map((operation) => [operation.type, operation] as const))(
    "is all that %s takes for each of its statements: nothing before and nothing after them",
    async (_type, operation) => {
      const database = await createDatabase();
      const { registry } = await openRegistry(database, { pool: 1 });
      await callRegistry(registry, operation);
      const before = await commandsSoFar();
      for (let round = 0; round < 100; round++) await callRegistry(registry, operation);
      // What comes and goes is remembered in a second table, and what goes may have links beside it.
      const statementsOf: Partial<Record<string, number>> = { upsert_connection: 2, delete_connection: 4 };
      expect((await commandsSoFar()) - before).toBe(100 * (statementsOf[operation.type] ?? 1));
    },
  );

  test("is one each for a node's row, the list of a slice and its leases, one more for other nodes in the first, and none for the leases of no rows", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database, { pool: 1 });
    for (let index = 0; index < 50; index++) {
      await callRegistry(registry, {
        type: "upsert_connection",
        ...{
          clientId: `home-${index}`,
          tunnel: `t${index}`,
          node: "n",
          fence: 1,
          leaseMs: MINUTE_MS,
          access: "token",
        },
      });
    }
    const renew = async (after: string | null) => {
      const before = await commandsSoFar();
      const outcome = await callRegistry(registry, renewalOf("n", { after, rowsMax: 30 }));
      if (outcome.type !== "leases_renewed") throw new Error(`it was ${outcome.type}`);
      return { next: outcome.next, rows: outcome.rows.length, commands: (await commandsSoFar()) - before };
    };
    const first = await renew(null);
    expect(first).toMatchObject({ rows: 30, commands: 4 });
    expect(await renew(first.next)).toEqual({ rows: 20, commands: 3, next: null });
    expect(await renew("zzz")).toEqual({ rows: 0, commands: 2, next: null });
  });

  test("is all that a new connection adds to its handshake: no SET, no ping", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database, { pool: 1 });
    const before = await commandsSoFar();
    await callRegistry(registry, { type: "find_magic_token", tokenHash: "a1" });
    expect((await commandsSoFar()) - before).toBe(1);
  });
});

describe("a plan", () => {
  const values: readonly (readonly [RegExp, string])[] = [
    [/:(?:tokenHash|clientId|tunnel|node)\b/g, "X'61'"],
    [/:(?:after|instance)\b/g, "X''"],
    [/:last\b/g, "X'7a'"],
    [/:(?:leaseUs|lifetimeUs|fence|rowsMax)\b/g, "1000"],
  ];

  test.each([
    ["the look-up of a signature", statements.check.signature, ["PRIMARY", "PRIMARY"]],
    ["the look-up of a client's token", statements.check.client_access, ["PRIMARY", "PRIMARY"]],
    ["the look-up of a magic token", statements.findMagic, ["PRIMARY"]],
    [
      "the look-up of all tokens in use",
      checkTokens(
        (["client_access", "signature", "magic"] as const).map((kind) => {
          return { kind, tokenHash: "a", clientId: "a" };
        }),
      ),
      ["PRIMARY", "PRIMARY", "PRIMARY"],
    ],
    ["the deletion of a token", statements.revoke.signature[0], ["PRIMARY"]],
    ["the deletion of a row", statements.deleteConnection, ["PRIMARY"]],
    ["the look-up of a home", nodeStatements.find, ["PRIMARY", "PRIMARY", "PRIMARY"]],
    // The last one puts two lists together.
    ["the list of a slice", nodeStatements.slice, ["culvert_node", "culvert_links_of_node", "PRIMARY", null]],
    ["the renewal of its leases", nodeStatements.renew, ["culvert_node"]],
    ["the renewal of its links", linkStatements.renew[0], ["culvert_links_of_node", "PRIMARY"]],
    [
      "the taking over of connections by links",
      linkStatements.renew[1],
      ["culvert_links_of_node", "PRIMARY"],
    ],
    ["the handing over of a connection", linkStatements.leave[1], ["PRIMARY", "PRIMARY"]],
    ["the deletion of a link", linkStatements.leave[0], ["PRIMARY"]],
    ["the deletion of a node", nodeStatements.remove, ["PRIMARY"]],
  ])(
    "of %s reads its rows by an index, whatever collation the tables were made with",
    async (_name, sql, keys) => {
      const database = await createDatabase();
      await makeMoosicBoxTables(database, "latin1");
      await openRegistry(database);
      for (const table of ["signature_tokens", "client_access_tokens"]) {
        await database.query(`INSERT INTO ${table} (token_hash, client_id) VALUES ('a', 'a'), ('b', 'b')`);
      }
      await database.query(
        "INSERT INTO magic_tokens (magic_token_hash, client_id) VALUES ('a', 'a'), ('b', 'b')",
      );
      // Most rows are of another node.
      const clientIds = ["a", ...Array.from({ length: 100 }, (_, index) => `b${index}`)];
      const rows = clientIds.map((id) => `('${id}', 'a', '${id.slice(0, 1)}', 'a', '2100-01-01')`);
      await database.query(
        `INSERT INTO connections (client_id, tunnel_ws_id, node, leased_tunnel, lease_expires) VALUES ${rows}`,
      );
      await database.query(
        "INSERT INTO culvert_nodes (node, lease_expires) VALUES ('a', '2100-01-01'), ('b', '2100-01-01')",
      );
      const links = clientIds.map((id) => `('${id}', '${id.slice(0, 1)}', 'a', '', 1, '2100-01-01')`);
      await database.query(
        `INSERT INTO culvert_links (client_id, node, tunnel, instance, fence, lease_expires) VALUES ${links}`,
      );
      const text = values.reduce((statement, [pattern, value]) => statement.replace(pattern, value), sql);
      const plan = await database.query(`EXPLAIN FORMAT=TRADITIONAL ${text}`);
      expect(plan.map(({ key }) => key)).toEqual(keys);
      for (const { key, rows } of plan) expect(rows).toBe(key === null ? null : 1);
    },
  );
});

describe("time (D10)", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each([-1, 1])(
    "is the database's alone: a node whose clock jumps by %i hours changes nothing",
    async (hours) => {
      const database = await createDatabase();
      const { registry } = await openRegistry(database);
      const insert = (tokenHash: string, lifetimeMs: number) =>
        callRegistry(registry, {
          type: "insert_token",
          kind: "signature",
          tokenHash,
          clientId: "home",
          lifetimeMs,
        });
      const check = (tokenHash: string) =>
        callRegistry(registry, { type: "check_token", kind: "signature", tokenHash, clientId: "home" });
      await insert("alive", 10 * MINUTE_MS);
      await insert("dead", 0);
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + hours * 60 * MINUTE_MS });
      const [clock] = await asRoot("SELECT UNIX_TIMESTAMP(NOW(6)) AS seconds");
      const alive = await check("alive");
      expect(alive).toMatchObject({ valid: true });
      expect(alive.type === "token_checked" && alive.fence / 1e6 - Number(clock?.seconds)).toBeCloseTo(0, 0);
      expect(await check("dead")).toMatchObject({ valid: false });
      await callRegistry(registry, { type: "sweep", keptMs: 0 });
      expect(await check("alive")).toMatchObject({ valid: true });
    },
  );

  test.each(["+13:00", "-11:00"])(
    "is UTC as for MoosicBox's server, in a server at %s, too",
    async (zone) => {
      await setGlobal("time_zone", zone);
      const database = await createDatabase();
      await makeMoosicBoxTables(database, "utf8mb4");
      const moosicBox = new MoosicBoxServer(database);
      const { registry } = await openRegistry(database);
      await callRegistry(registry, {
        type: "insert_token",
        ...({ kind: "signature", tokenHash: "ours", clientId: "home", lifetimeMs: 10 * MINUTE_MS } as const),
      });
      await database.query(`
      INSERT INTO signature_tokens (token_hash, client_id, expires)
      VALUES ('theirs', 'home', UTC_TIMESTAMP() + INTERVAL 10 MINUTE), ('old', 'home', UTC_TIMESTAMP() - INTERVAL 10 MINUTE)`);
      const check = (tokenHash: string) =>
        callRegistry(registry, { type: "check_token", kind: "signature", tokenHash, clientId: "home" });
      expect(await check("theirs")).toMatchObject({ valid: true });
      expect(await check("old")).toMatchObject({ valid: false });
      expect(await moosicBox.isValidSignature("ours", "home")).toBe(true);
    },
  );

  test("that stands still gives no fence twice", async () => {
    await setGlobal("init_connect", "SET TIMESTAMP = 1700000000");
    const database = await createDatabase();
    const { registry } = await openRegistry(database);
    for (let round = 0; round < 3; round++) {
      const checked = await callRegistry(registry, {
        type: "check_token",
        ...({ kind: "signature", tokenHash: "none", clientId: "home" } as const),
      });
      expect(checked).toMatchObject({ fence: 1_700_000_000_000_000 + round });
    }
  });

  test("that goes back, as after a failover, locks nobody out", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database);
    const [clock] = await database.query(
      "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) AS us",
    );
    const tomorrow = Number(clock?.us) + 24 * 60 * MINUTE_MS * 1000;
    const upsert = (tunnel: string, fence: number) =>
      callRegistry(registry, {
        type: "upsert_connection",
        ...{ clientId: "home", tunnel, node: "n", fence, leaseMs: MINUTE_MS, access: "token" },
      });
    await upsert("t1", tomorrow);
    const checked = await callRegistry(registry, {
      type: "check_token",
      ...({ kind: "signature", tokenHash: "none", clientId: "home" } as const),
    });
    expect(checked).toMatchObject({ fence: tomorrow + 1 });
    expect(await upsert("t2", tomorrow + 1)).toMatchObject({ current: true });
    // Other clients keep to the clock.
    const other = await callRegistry(registry, {
      type: "check_token",
      ...({ kind: "signature", tokenHash: "none", clientId: "other" } as const),
    });
    expect(other.type === "token_checked" && other.fence).toBeLessThan(tomorrow);
  });
});

describe("rows that others made (D11)", () => {
  test.each([
    ["NULL", "NULL"],
    ["an empty text", "''"],
    ["ten megabytes", "REPEAT('x', 10000000)"],
    ["bytes that are no UTF-8", "X'ff00fe'"],
  ])("with %s for a client id are skipped and reported", async (_name, value) => {
    await setGlobal("max_allowed_packet", 64 * 1024 * 1024);
    const database = await createDatabase();
    const { registry, reports } = await openRegistry(database);
    await database.query("ALTER TABLE magic_tokens MODIFY client_id LONGBLOB NULL");
    await database.query(`INSERT INTO magic_tokens (magic_token_hash, client_id) VALUES ('a1', ${value})`);
    const sentBefore = await bytesSent();
    expect(await callRegistry(registry, { type: "find_magic_token", tokenHash: "a1" })).toEqual({
      type: "magic_token_found",
      clientId: null,
    });
    expect((await bytesSent()) - sentBefore).toBeLessThan(10_000);
    expect(reports).toEqual([{ type: "row_skipped", table: "magic_tokens" }]);
  });

  /** What the server sent to the account in all. */
  async function bytesSent(): Promise<number> {
    const [row] = await asRoot(`
      SELECT VARIABLE_VALUE AS bytes FROM performance_schema.status_by_account
      WHERE USER = '${ACCOUNT.user}' AND VARIABLE_NAME = 'Bytes_sent'`);
    return Number(row?.bytes);
  }

  test("in connections, of our node and beyond its columns, are skipped and reported, and the good ones kept", async () => {
    const database = await createDatabase();
    const { registry, reports } = await openRegistry(database);
    await database.query(
      "ALTER TABLE connections MODIFY tunnel_ws_id LONGTEXT, MODIFY leased_tunnel LONGTEXT",
    );
    await database.query(`
      INSERT INTO connections (client_id, tunnel_ws_id, node, leased_tunnel, lease_expires)
      VALUES ('good', 't1', 'n', 't1', @end := UTC_TIMESTAMP() + INTERVAL 1 HOUR), ('null', NULL, 'n', NULL, @end),
        ('empty', '', 'n', '', @end), ('long', REPEAT('x', 65), 'n', REPEAT('x', 65), @end)`);
    const outcome = await callRegistry(registry, renewalOf("n"));
    expect(outcome).toEqual({
      type: "leases_renewed",
      rows: [{ clientId: "good", tunnel: "t1" }],
      next: null,
      others: [],
    });
    expect(reports).toHaveLength(2);
  });

  test("with a fence or a lease that is out of all reason are taken over by the next tunnel", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database);
    await database.query(`
      INSERT INTO connections (client_id, tunnel_ws_id, fence, lease_expires)
      VALUES ('home', 't0', -9223372036854775808, NULL)`);
    const upsert = {
      type: "upsert_connection",
      clientId: "home",
      tunnel: "t1",
      node: "n",
      fence: 1,
      access: "token",
    } as const;
    expect(await callRegistry(registry, { ...upsert, leaseMs: MINUTE_MS })).toMatchObject({ current: true });
  });

  test("keep a name with quotes and backslashes a name, in every sql_mode", async () => {
    const name = "a'b\"c`d\\'e\\";
    for (const mode of [
      "",
      "NO_BACKSLASH_ESCAPES,ANSI_QUOTES",
      "PIPES_AS_CONCAT,IGNORE_SPACE",
      "TRADITIONAL",
    ]) {
      await setGlobal("sql_mode", mode);
      const database = await createDatabase();
      const { registry } = await openRegistry(database);
      await callRegistry(registry, {
        type: "upsert_connection",
        ...{ clientId: name, tunnel: "t1", node: "n", fence: 1, leaseMs: MINUTE_MS, access: "token" },
      });
      const outcome = await callRegistry(registry, renewalOf("n"));
      expect(outcome, mode).toMatchObject({ rows: [{ clientId: name }] });
    }
  });
});

test("an upsert tells by its affected rows whether the row is ours, at any distance of the fences and times", async () => {
  const database = await createDatabase();
  const { registry } = await openRegistry(database, { pool: 1 });
  const session = await openSession(database.name, ["-FOUND_ROWS"]);
  const upsert = (tunnel: string, fence: number, leaseMs: number) =>
    callRegistry(registry, {
      type: "upsert_connection",
      clientId: "home",
      tunnel,
      node: "n",
      fence,
      leaseMs,
      access: "token",
    });
  const CURRENT = { type: "connection_upserted", current: true };
  expect(await upsert("t1", 10, 0)).toEqual(CURRENT);
  for (let round = 0; round < 50; round++) expect(await upsert("t1", 10, 0)).toEqual(CURRENT);
  expect(await upsert("t2", 9, 0)).toMatchObject({ current: false });
  // A clock that stands still gives the same lease twice.
  await session.query("SET TIMESTAMP = 1700000000");
  const sql = [
    [/_utf8mb4 :(?:clientId|tunnel|node|access|instance)\b/g, "_utf8mb4 X'61'"],
    [/:(?:leaseUs|fence)\b/g, "1000"],
  ].reduce<string>((text, [pattern, value]) => text.replace(pattern ?? "", String(value)), statements.upsert);
  for (let round = 0; round < 3; round++) {
    await session.query(sql);
    const [count] = await session.query("SELECT ROW_COUNT() AS rows_changed");
    expect(Number(count?.rows_changed)).toBeGreaterThan(0);
  }
  await session.close();
});

test("an upsert keeps who may visit, as the newest tunnel says it, whatever characters it has", async () => {
  const database = await createDatabase();
  const { registry } = await openRegistry(database);
  const upsert = (tunnel: string, fence: number, access: string) => {
    const row = { clientId: "home", tunnel, node: "n", fence, leaseMs: MINUTE_MS, access };
    return callRegistry(registry, { type: "upsert_connection", ...row });
  };
  const accessOf = async () => (await database.query("SELECT access FROM connections"))[0]?.access;
  const basic = `basic it's "me"\\%_:${"0".repeat(64)}`;
  await upsert("t1", 10, "public");
  expect(await accessOf()).toBe("public");
  await upsert("t2", 20, basic);
  expect(await accessOf()).toBe(basic);
  await upsert("t1", 10, "public");
  expect(await accessOf()).toBe(basic);
});
