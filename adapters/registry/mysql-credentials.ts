/**
 * What the MySQL registry knows of credentials beyond the tables of MoosicBox. The operations take several statements, each
 * of which may be carried out again: what decides is one write by a primary key, so that of two nodes that ask for the same
 * thing at the same instant one gets it.
 */
import {
  type CredentialOperation,
  type RegisterAgain,
  VISITOR_TOKENS_MAX,
  type VisitorToken,
} from "../../core/registry/credentials.ts";
import type { RegistryOutcome } from "../../core/registry.ts";
import type { Reply, Row, Values } from "./mysql-pool.ts";
import { ALIVE, CLOCK_US, MAKER, sweep, valuesOf } from "./mysql-statements.ts";

type Done = Extract<Reply, { readonly type: "done" }>;

export type CredentialTools = {
  /** Carries out a statement and goes on with what it gave; where it fails, the operation has failed with it. */
  readonly run: (sql: string, values: Values, goOn: (done: Done) => void) => void;
  /** The fence of a row with `clock` and `held`. */
  readonly fenceOf: (row: Row | undefined) => number;
  readonly answer: (outcome: RegistryOutcome) => void;
};

export function callOnCredentials(operation: CredentialOperation, tools: CredentialTools): void {
  const { run, answer, fenceOf } = tools;
  const values = valuesOf(operation);
  const checked = ({ rows: [row] }: Done) =>
    answer({ type: "token_checked", valid: row?.valid === 1, fence: fenceOf(row) });
  switch (operation.type) {
    case "check_agent":
      // First, so that whoever gets a higher fence knows of it.
      return run(statements.markAgent, values, () => run(statements.checkClient, values, checked));
    case "check_visitor":
      return run(statements.checkVisitor, values, ({ rows: [row] }) => {
        const kind = row?.isClient === 1 ? "client_access" : row?.isVisitor === 1 ? "visitor" : null;
        answer({ type: "visitor_checked", kind });
      });
    case "use_signature":
      return run(statements.findSignature, values, ({ rows: [row] }) => {
        const isRefused = operation.use === "tunnel" && row?.own === 1;
        const isNew = row?.valid === 1 && row.kind === null && !isRefused;
        const used = (now: Row | undefined) => {
          const valid = now?.valid === 1 && (now.kind ?? operation.use) === operation.use;
          answer({ type: "signature_used", valid, hasCulvertAgent: now?.own === 1, fence: fenceOf(now) });
        };
        if (!isNew) return used(row);
        run(statements.decide, values, () =>
          run(statements.findSignature, values, ({ rows: [now] }) => used(now)),
        );
      });
    case "register_client":
      return register(operation, tools);
    case "insert_invite":
      return run(statements.insertInvite, values, () => answer({ type: "invite_inserted" }));
    case "insert_visitor_token":
      return run(statements.dropExpired, values, () =>
        run(statements.insertVisitor, values, () =>
          run(statements.findVisitor, values, ({ rows: [row] }) => {
            answer({ type: "visitor_token_inserted", result: insertionOf(row) });
          }),
        ),
      );
    case "list_visitor_tokens":
      return run(statements.listVisitors, values, ({ rows }) =>
        answer({ type: "visitor_tokens_listed", tokens: rows.map(visitorToken) }),
      );
    case "revoke_visitor_token":
      return run(statements.revokeVisitor, values, ({ affectedRows }) =>
        answer({ type: "visitor_token_revoked", found: affectedRows > 0 }),
      );
  }
}

function register(
  operation: Extract<CredentialOperation, { readonly type: "register_client" }>,
  { run, answer }: CredentialTools,
): void {
  const { clientId, tokenHash, shownHash, again } = operation;
  const values = { clientId: Buffer.from(clientId), tokenHash: Buffer.from(tokenHash) };
  const conclude = (refusal: "known" | "unauthorized") => () =>
    run(statements.isRegistered, values, ({ rows: [row] }) =>
      answer({ type: "client_registered", result: row?.registered === 1 ? "registered" : refusal }),
    );
  if (shownHash === null) {
    run(statements.claim, values, () => run(statements.registerFree[again], values, conclude("known")));
  } else {
    const shown = { ...values, shownHash: Buffer.from(shownHash) };
    run(statements.useInvite, shown, () => run(statements.registerShown, shown, conclude("unauthorized")));
  }
}

function insertionOf(row: Row | undefined): "inserted" | "name_taken" | "too_many" | "unauthorized" {
  if (row?.allowed !== 1) return "unauthorized";
  if (row.own === 1) return "inserted";
  return row.named === 1 ? "name_taken" : "too_many";
}

function visitorToken({ name, createdMs, expiresMs }: Row): VisitorToken {
  return {
    name: String(name),
    createdMs: Number(createdMs),
    expiresMs: expiresMs === null ? null : Number(expiresMs),
  };
}

const OWN = "token_hash = _utf8mb4 :tokenHash AND client_id = _utf8mb4 :clientId";
const CLIENT_VALID = `EXISTS (SELECT 1 FROM client_access_tokens WHERE ${OWN} AND ${ALIVE})`;
const VISITOR_VALID = `EXISTS (SELECT 1 FROM culvert_visitor_tokens WHERE ${OWN} AND ${ALIVE})`;
const FENCE = `${CLOCK_US} AS clock,
    (SELECT fence FROM connections WHERE client_id = _utf8mb4 :clientId) AS held`;
const MILLISECONDS = (column: string) => `TIMESTAMPDIFF(SECOND, '1970-01-01', ${column}) * 1000`;

/** A node that died between its claim and its token keeps the client id from the others for no longer. */
const CLAIM_STALE = "claimed <= UTC_TIMESTAMP(6) - INTERVAL 60 SECOND";

/** Of nobody: no other token, no agent of Culvert's own, and no other node that registers it at this moment. */
const IS_FREE = `homes.agent_since IS NULL AND homes.claim = _utf8mb4 :tokenHash
  AND NOT EXISTS (SELECT 1 FROM client_access_tokens AS others
    WHERE others.client_id = _utf8mb4 :clientId AND others.token_hash <> _utf8mb4 :tokenHash)`;

const registerWhere = (condition: string) => `
  INSERT INTO client_access_tokens (token_hash, client_id, expires, created, updated)
  SELECT _utf8mb4 :tokenHash, homes.client_id, NULL, UTC_TIMESTAMP(), UTC_TIMESTAMP()
  FROM culvert_homes AS homes WHERE homes.client_id = _utf8mb4 :clientId AND (${condition})
  ON DUPLICATE KEY UPDATE token_hash = client_access_tokens.token_hash`;

const registerFree: { readonly [Again in RegisterAgain]: string } = {
  never: registerWhere(IS_FREE),
  moosicbox: registerWhere("homes.agent_since IS NULL"),
  always: registerWhere("TRUE"),
};

const statements = {
  checkClient: `SELECT ${CLIENT_VALID} AS valid, ${FENCE}`,
  checkVisitor: `SELECT ${CLIENT_VALID} AS isClient, ${VISITOR_VALID} AS isVisitor`,
  markAgent: `
    INSERT INTO culvert_homes (client_id, agent_since)
    SELECT client_id, UTC_TIMESTAMP(6) FROM client_access_tokens WHERE ${OWN} AND ${ALIVE}
    ON DUPLICATE KEY UPDATE agent_since = COALESCE(culvert_homes.agent_since, UTC_TIMESTAMP(6))`,
  /** One row, whether the signature is there or not. */
  findSignature: `
    SELECT COUNT(*) AS valid, MAX(kind) AS kind, ${FENCE},
      EXISTS (SELECT 1 FROM culvert_homes
        WHERE client_id = _utf8mb4 :clientId AND agent_since IS NOT NULL) AS own
    FROM signature_tokens WHERE ${OWN} AND ${ALIVE}`,
  decide: `UPDATE signature_tokens SET kind = _utf8mb4 :use WHERE ${OWN} AND kind IS NULL`,
  /** Assignments are carried out from left to right. */
  claim: `
    INSERT INTO culvert_homes (client_id, claim, claimed)
    VALUES (_utf8mb4 :clientId, _utf8mb4 :tokenHash, UTC_TIMESTAMP(6))
    ON DUPLICATE KEY UPDATE
      claim = IF(claim IS NULL OR ${CLAIM_STALE}, _utf8mb4 :tokenHash, claim),
      claimed = IF(claim = _utf8mb4 :tokenHash, UTC_TIMESTAMP(6), claimed)`,
  registerFree,
  useInvite: `
    UPDATE culvert_invites SET used_by = _utf8mb4 :tokenHash
    WHERE invite_hash = _utf8mb4 :shownHash AND client_id = _utf8mb4 :clientId AND used_by IS NULL AND ${ALIVE}`,
  /** What is shown is locked against its deletion until the token is stored, as in `insertBy`. */
  registerShown: `
    INSERT INTO client_access_tokens (token_hash, client_id, expires, created, updated)
    SELECT _utf8mb4 :tokenHash, _utf8mb4 :clientId, NULL, UTC_TIMESTAMP(), UTC_TIMESTAMP() FROM DUAL
    WHERE EXISTS (SELECT 1 FROM culvert_invites
        WHERE invite_hash = _utf8mb4 :shownHash AND used_by = _utf8mb4 :tokenHash FOR SHARE)
      OR EXISTS (SELECT 1 FROM client_access_tokens AS shown
        WHERE shown.token_hash = _utf8mb4 :shownHash AND shown.client_id = _utf8mb4 :clientId
          AND (shown.expires IS NULL OR shown.expires > UTC_TIMESTAMP()) FOR SHARE)
    ON DUPLICATE KEY UPDATE token_hash = client_access_tokens.token_hash`,
  isRegistered: `SELECT COUNT(*) AS registered FROM client_access_tokens WHERE ${OWN}`,
  insertInvite: `
    INSERT INTO culvert_invites (invite_hash, client_id, expires)
    VALUES (_utf8mb4 :tokenHash, _utf8mb4 :clientId, UTC_TIMESTAMP() + INTERVAL :lifetimeUs MICROSECOND)
    ON DUPLICATE KEY UPDATE invite_hash = invite_hash`,
  dropExpired: `
    DELETE FROM culvert_visitor_tokens WHERE client_id = _utf8mb4 :clientId AND expires <= UTC_TIMESTAMP()`,
  /** Two at the same instant may make one more than there may be, which harms nobody. */
  insertVisitor: `
    INSERT INTO culvert_visitor_tokens (token_hash, client_id, name, expires, created)
    SELECT _utf8mb4 :tokenHash, _utf8mb4 :clientId, _utf8mb4 :name,
      UTC_TIMESTAMP() + INTERVAL :lifetimeUs MICROSECOND, UTC_TIMESTAMP()
    FROM ${MAKER}
      AND (SELECT COUNT(*) FROM culvert_visitor_tokens AS others
        WHERE others.client_id = _utf8mb4 :clientId) < ${VISITOR_TOKENS_MAX}
    FOR SHARE
    ON DUPLICATE KEY UPDATE token_hash = culvert_visitor_tokens.token_hash`,
  findVisitor: `
    SELECT EXISTS (SELECT 1 FROM ${MAKER}) AS allowed,
      EXISTS (SELECT 1 FROM culvert_visitor_tokens WHERE ${OWN}) AS own,
      EXISTS (SELECT 1 FROM culvert_visitor_tokens
        WHERE client_id = _utf8mb4 :clientId AND name = _utf8mb4 :name) AS named`,
  listVisitors: `
    SELECT name, ${MILLISECONDS("created")} AS createdMs, ${MILLISECONDS("expires")} AS expiresMs
    FROM culvert_visitor_tokens WHERE client_id = _utf8mb4 :clientId AND ${ALIVE} ORDER BY name`,
  revokeVisitor: `
    DELETE FROM culvert_visitor_tokens WHERE client_id = _utf8mb4 :clientId AND name = _utf8mb4 :name`,
} as const;

/** What a sweep deletes beside the tables of MoosicBox. */
export const CREDENTIAL_SWEEPS = [sweep("culvert_visitor_tokens"), sweep("culvert_invites")] as const;

/** The step of the schema that makes the tables. `kind` is null until a signature is used, `agent_since` until an agent came. */
export const mysqlCredentials = (byteWise: string): readonly string[] => [
  `ALTER TABLE signature_tokens ADD COLUMN kind VARCHAR(16) ${byteWise} NULL`,
  "ALTER TABLE client_access_tokens ADD INDEX culvert_client (client_id)",
  `CREATE TABLE IF NOT EXISTS culvert_homes (
    client_id VARCHAR(64) NOT NULL PRIMARY KEY,
    agent_since DATETIME(6) NULL,
    claim VARCHAR(64) NULL,
    claimed DATETIME(6) NULL
  ) ${byteWise}`,
  `CREATE TABLE IF NOT EXISTS culvert_visitor_tokens (
    token_hash VARCHAR(64) NOT NULL PRIMARY KEY,
    client_id VARCHAR(64) NOT NULL,
    name VARCHAR(64) NOT NULL,
    expires DATETIME NULL,
    created DATETIME NOT NULL,
    UNIQUE INDEX culvert_name (client_id, name),
    INDEX culvert_expires (expires)
  ) ${byteWise}`,
  `CREATE TABLE IF NOT EXISTS culvert_invites (
    invite_hash VARCHAR(64) NOT NULL PRIMARY KEY,
    client_id VARCHAR(64) NOT NULL,
    used_by VARCHAR(64) NULL,
    expires DATETIME NOT NULL,
    INDEX culvert_expires (expires)
  ) ${byteWise}`,
];
