/** A database as the migrations of MoosicBox's server make it, and what that server asks of it. */
import type { RowDataPacket } from "mysql2/promise";
import type { Database } from "./database.ts";

export const TABLES = ["connections", "signature_tokens", "client_access_tokens", "magic_tokens"] as const;

/** What Culvert adds to them. */
export const CULVERT_TABLES = [
  "culvert_homes",
  "culvert_visitor_tokens",
  "culvert_invites",
  "culvert_known_homes",
  "culvert_nodes",
  "culvert_links",
] as const;

/** The DDL of protocol-moosicbox.md, in a character set of the operator's choice. */
export async function makeMoosicBoxTables(database: Database, characterSet: string): Promise<void> {
  const times = "created DATETIME NOT NULL DEFAULT NOW(), updated DATETIME NOT NULL DEFAULT NOW()";
  const columns = {
    connections: "client_id VARCHAR(64) PRIMARY KEY NOT NULL, tunnel_ws_id VARCHAR(64) NOT NULL",
    signature_tokens:
      "token_hash VARCHAR(64) PRIMARY KEY NOT NULL, client_id VARCHAR(64) NOT NULL, expires DATETIME",
    client_access_tokens:
      "token_hash VARCHAR(64) PRIMARY KEY NOT NULL, client_id VARCHAR(64) NOT NULL, expires DATETIME NULL",
    magic_tokens:
      "magic_token_hash VARCHAR(64) PRIMARY KEY NOT NULL, client_id VARCHAR(64) NOT NULL, expires DATETIME NULL",
  };
  for (const table of TABLES) {
    await database.query(`CREATE TABLE ${table} (${columns[table]}, ${times}) CHARACTER SET ${characterSet}`);
  }
}

/** The statements of MoosicBox's server; its sessions are in UTC. */
export class MoosicBoxServer {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async upsertConnection(clientId: string, tunnel: string): Promise<void> {
    await this.#database.query(`
      INSERT INTO connections (client_id, tunnel_ws_id) VALUES ('${clientId}', '${tunnel}')
      ON DUPLICATE KEY UPDATE tunnel_ws_id = '${tunnel}', updated = UTC_TIMESTAMP()`);
  }

  async tunnelOf(clientId: string): Promise<unknown> {
    const sql = `SELECT * FROM connections WHERE client_id = '${clientId}'`;
    return (await this.#database.query(sql))[0]?.tunnel_ws_id;
  }

  async deleteConnection(tunnel: string): Promise<void> {
    await this.#database.query(`DELETE FROM connections WHERE tunnel_ws_id = '${tunnel}'`);
  }

  async insertSignature(tokenHash: string, clientId: string): Promise<void> {
    await this.#database.query(`
      INSERT INTO signature_tokens (token_hash, client_id, expires)
      VALUES ('${tokenHash}', '${clientId}', DATE_ADD(UTC_TIMESTAMP(), INTERVAL 14 DAY))`);
  }

  async insertToken(
    table: "client_access_tokens" | "magic_tokens",
    tokenHash: string,
    clientId: string,
  ): Promise<void> {
    const key = table === "magic_tokens" ? "magic_token_hash" : "token_hash";
    await this.#database.query(`
      INSERT INTO ${table} (${key}, client_id, expires) VALUES ('${tokenHash}', '${clientId}', NULL)`);
  }

  async isValidSignature(tokenHash: string, clientId: string): Promise<boolean> {
    const rows = await this.#database.query(`
      SELECT * FROM signature_tokens
      WHERE token_hash = '${tokenHash}' AND client_id = '${clientId}' AND expires > UTC_TIMESTAMP()`);
    return rows.length === 1;
  }

  async isValidClientAccess(tokenHash: string, clientId: string): Promise<boolean> {
    const rows = await this.#database.query(`
      SELECT * FROM client_access_tokens
      WHERE token_hash = '${tokenHash}' AND client_id = '${clientId}' AND (expires IS NULL OR expires > UTC_TIMESTAMP())`);
    return rows.length === 1;
  }

  async ownerOfMagicToken(tokenHash: string): Promise<unknown> {
    const rows: RowDataPacket[] = await this.#database.query(`
      SELECT * FROM magic_tokens
      WHERE magic_token_hash = '${tokenHash}' AND (expires IS NULL OR expires > UTC_TIMESTAMP())`);
    return rows[0]?.client_id;
  }
}
