/**
 * The statements of the MySQL registry, one for each operation of the hot path.
 *
 * A connection needs no settings of its own, which a proxy such as Vitess would have to pin it for. Times are UTC_TIMESTAMP(),
 * whatever the session's time zone; that is also what MoosicBox's server writes, whose sessions are in UTC. Texts are sent as
 * hexadecimal literals (`_utf8mb4 X'686f6d65'`), which mean the same whatever the session's character set and sql_mode.
 * The column's collation decides how they compare: utf8mb4_0900_bin, byte by byte, and trailing spaces count.
 *
 * `leased_tunnel` is the tunnel that `node`, `fence` and `lease_expires` speak of. MoosicBox's server changes `tunnel_ws_id`
 * alone: where the two differ the row is its own, and none of our renewals and sweeps touches it.
 */
import type { HeldToken, RegistryOperation, TokenKind } from "../../core/registry.ts";
import type { Values } from "./mysql-pool.ts";

export const ALIVE = "(expires IS NULL OR expires > UTC_TIMESTAMP())";

/** Without the session's time zone, in which an hour may come twice; a whole number, as no UNIX_TIMESTAMP(NOW(6)) is. */
export const CLOCK_US = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))";

export const LEASE_ENDS = "UTC_TIMESTAMP(6) + INTERVAL :leaseUs MICROSECOND";

/** What others may have stored is cut one character above what we take: a value of megabytes stays where it is. */
export const CLIENT_ID = "LEFT(client_id, 65) AS clientId";
export const TUNNEL = "LEFT(tunnel_ws_id, 65) AS tunnel";

/** One row, whether the token is there or not. Both tables are read by their primary keys. */
const check = (table: string) => `
  SELECT COUNT(*) AS valid, ${CLOCK_US} AS clock,
    (SELECT fence FROM connections WHERE client_id = _utf8mb4 :clientId) AS held
  FROM ${table}
  WHERE token_hash = _utf8mb4 :tokenHash AND client_id = _utf8mb4 :clientId AND ${ALIVE}`;

/** What keeps the tokens of each kind. */
const TOKENS: Readonly<Record<TokenKind, { readonly table: string; readonly key: string }>> = {
  client_access: { table: "client_access_tokens", key: "token_hash" },
  visitor: { table: "culvert_visitor_tokens", key: "token_hash" },
  signature: { table: "signature_tokens", key: "token_hash" },
  magic: { table: "magic_tokens", key: "magic_token_hash" },
};

/** Setting a column to itself leaves a token that is there as it is; IGNORE would also swallow what is wrong. */
const insert = (table: string, key: string) => `
  INSERT INTO ${table} (${key}, client_id, expires, created, updated)
  VALUES (_utf8mb4 :tokenHash, _utf8mb4 :clientId, UTC_TIMESTAMP() + INTERVAL :lifetimeUs MICROSECOND,
    UTC_TIMESTAMP(), UTC_TIMESTAMP())
  ON DUPLICATE KEY UPDATE ${key} = ${key}`;

/** A good client token that makes another token, which is locked against its deletion until that one is stored. */
export const MAKER = `client_access_tokens AS maker
  WHERE maker.token_hash = _utf8mb4 :by AND maker.client_id = _utf8mb4 :clientId
    AND (maker.expires IS NULL OR maker.expires > UTC_TIMESTAMP())`;

/**
 * The same by another token: what is made goes with that one, or is never there. Says nothing of whether the other was good where
 * this one was there before.
 */
const insertBy = (table: string, key: string) => `
  INSERT INTO ${table} (${key}, client_id, expires, created, updated)
  SELECT _utf8mb4 :tokenHash, _utf8mb4 :clientId, UTC_TIMESTAMP() + INTERVAL :lifetimeUs MICROSECOND,
    UTC_TIMESTAMP(), UTC_TIMESTAMP()
  FROM ${MAKER}
  FOR SHARE
  ON DUPLICATE KEY UPDATE ${table}.${key} = ${table}.${key}`;

export const sweep = (table: string) =>
  `DELETE FROM ${table} WHERE expires <= UTC_TIMESTAMP() - INTERVAL :keptUs MICROSECOND`;

const revoke = ({ table, key }: (typeof TOKENS)[TokenKind]) => `
  DELETE FROM ${table} WHERE ${key} = _utf8mb4 :tokenHash AND client_id = _utf8mb4 :clientId`;

const revokeAll = (table: string) => `DELETE FROM ${table} WHERE client_id = _utf8mb4 :clientId`;

const REVOKE_MADE = [
  revokeAll("culvert_visitor_tokens"),
  revokeAll("signature_tokens"),
  revokeAll("magic_tokens"),
];

export const statements = {
  check: { client_access: check("client_access_tokens"), signature: check("signature_tokens") },
  insert: {
    client_access: insert("client_access_tokens", "token_hash"),
    signature: insert("signature_tokens", "token_hash"),
    magic: insert("magic_tokens", "magic_token_hash"),
  },
  insertBy: {
    client_access: insertBy("client_access_tokens", "token_hash"),
    signature: insertBy("signature_tokens", "token_hash"),
    magic: insertBy("magic_tokens", "magic_token_hash"),
  },
  /** What makes others goes first, so that nothing is made behind the deletion. */
  revoke: {
    client_access: [revoke(TOKENS.client_access), ...REVOKE_MADE],
    visitor: [revoke(TOKENS.visitor)],
    signature: [revoke(TOKENS.signature)],
    magic: [revoke(TOKENS.magic)],
  },
  revokeClient: [revokeAll("culvert_invites"), revokeAll("client_access_tokens"), ...REVOKE_MADE],
  findMagic: `
    SELECT ${CLIENT_ID} FROM magic_tokens WHERE magic_token_hash = _utf8mb4 :tokenHash AND ${ALIVE}`,
  /**
   * Assignments are carried out from left to right, so `fence` comes last. A write that is accepted always changes the
   * row, for a lease that would end at the same microsecond is made to end at the next one: rows are affected if and only if the
   * row is ours (without CLIENT_FOUND_ROWS, which counts a row that was found and left alone).
   */
  upsert: `
    INSERT INTO connections
      (client_id, tunnel_ws_id, created, updated, node, leased_tunnel, access, instance, lease_expires, fence)
    VALUES (_utf8mb4 :clientId, _utf8mb4 :tunnel, UTC_TIMESTAMP(), UTC_TIMESTAMP(),
      _utf8mb4 :node, _utf8mb4 :tunnel, _utf8mb4 :access, _utf8mb4 :instance, ${LEASE_ENDS}, :fence)
    ON DUPLICATE KEY UPDATE
      tunnel_ws_id = IF(fence <= :fence, _utf8mb4 :tunnel, tunnel_ws_id),
      updated = IF(fence <= :fence, UTC_TIMESTAMP(), updated),
      node = IF(fence <= :fence, _utf8mb4 :node, node),
      leased_tunnel = IF(fence <= :fence, _utf8mb4 :tunnel, leased_tunnel),
      access = IF(fence <= :fence, _utf8mb4 :access, access),
      instance = IF(fence <= :fence, _utf8mb4 :instance, instance),
      lease_expires = IF(fence <= :fence,
        ${LEASE_ENDS} + INTERVAL (lease_expires <=> ${LEASE_ENDS}) MICROSECOND, lease_expires),
      fence = GREATEST(fence, :fence)`,
  deleteConnection: `
    DELETE FROM connections WHERE client_id = _utf8mb4 :clientId AND tunnel_ws_id = _utf8mb4 :tunnel`,
  /**
   * The same row twice, so that the second one fails and the first one is taken back with it: a real write of which nothing
   * is left, in a statement and a transaction of its own. Its name is new each time, or nodes would wait for one another.
   */
  probe: `
    INSERT INTO connections (client_id, tunnel_ws_id, created, updated)
    VALUES (_utf8mb4 :probe, '', UTC_TIMESTAMP(), UTC_TIMESTAMP()),
      (_utf8mb4 :probe, '', UTC_TIMESTAMP(), UTC_TIMESTAMP())`,
  sweep: [
    `DELETE FROM connections
    WHERE lease_expires <= UTC_TIMESTAMP(6) AND leased_tunnel = tunnel_ws_id AND NOT EXISTS (
      SELECT 1 FROM culvert_links
      WHERE culvert_links.client_id = connections.client_id AND culvert_links.instance = connections.instance)`,
    sweep("signature_tokens"),
    sweep("client_access_tokens"),
    sweep("magic_tokens"),
  ],
} as const;

/** Those of the tokens that are stored, each with whether it is alive: one statement for as many as there are. */
export function checkTokens(tokens: readonly HeldToken[]): string {
  const selects = TOKEN_KINDS.flatMap((kind) => {
    const hashes = new Set(tokens.filter((token) => token.kind === kind).map(({ tokenHash }) => tokenHash));
    const { table, key } = TOKENS[kind];
    if (hashes.size === 0) return [];
    return [
      `SELECT '${kind}' AS kind, LEFT(${key}, 65) AS tokenHash, ${CLIENT_ID}, ${ALIVE} AS alive
      FROM ${table} WHERE ${key} IN (${[...hashes].map(literal).join(", ")})`,
    ];
  });
  return selects.join(" UNION ALL ");
}

const TOKEN_KINDS: readonly TokenKind[] = ["client_access", "visitor", "signature", "magic"];

function literal(text: string): string {
  return `_utf8mb4 X'${Buffer.from(text).toString("hex")}'`;
}

/** The values of an operation for the placeholders of its statement. */
export function valuesOf(operation: Exclude<RegistryOperation, { readonly type: "check_tokens" }>): Values {
  const values: Record<string, Buffer | number | null> = {};
  for (const [key, value] of Object.entries(operation)) {
    if (key.endsWith("Ms")) values[key.replace(/Ms$/, "Us")] = value === null ? null : Number(value) * 1000;
    else values[key] = typeof value === "string" ? Buffer.from(value) : value;
  }
  return values;
}
