/**
 * The nodes of a MySQL registry and the leases of their connections. Each node has a row of its own, which says where others reach
 * it; a connection counts for as long as its own lease and that of its node live.
 */
import { type FoundConnection, type RegistryOperation, URL_LENGTH_MAX } from "../../core/registry.ts";
import type { Values } from "./mysql-pool.ts";
import { CLIENT_ID, LEASE_ENDS, TUNNEL, valuesOf } from "./mysql-statements.ts";

export function mysqlNodes(byteWise: string): readonly string[] {
  return [
    `CREATE TABLE IF NOT EXISTS culvert_nodes (
      node VARCHAR(64) NOT NULL PRIMARY KEY,
      peer_url VARCHAR(${URL_LENGTH_MAX}) NULL,
      public_url VARCHAR(${URL_LENGTH_MAX}) NULL,
      lease_expires DATETIME(6) NOT NULL
    ) ${byteWise}`,
  ];
}

/** Connections of the node that are ours and live. */
const LIVING = `
  node = _utf8mb4 :node AND leased_tunnel = tunnel_ws_id AND lease_expires > UTC_TIMESTAMP(6)
    AND client_id > _utf8mb4 :after`;

/** No UPDATE has a LIMIT, which not every Vitess takes across shards: what a slice has is read first, and says where it ends. */
export const nodeStatements = {
  keep: `
    INSERT INTO culvert_nodes (node, peer_url, public_url, lease_expires)
    VALUES (_utf8mb4 :node, NULLIF(_utf8mb4 :peerUrl, _utf8mb4 ''), NULLIF(_utf8mb4 :publicUrl, _utf8mb4 ''), ${LEASE_ENDS})
    ON DUPLICATE KEY UPDATE
      peer_url = NULLIF(_utf8mb4 :peerUrl, _utf8mb4 ''), public_url = NULLIF(_utf8mb4 :publicUrl, _utf8mb4 ''),
      lease_expires = ${LEASE_ENDS}`,
  slice: `SELECT ${CLIENT_ID}, ${TUNNEL} FROM connections WHERE ${LIVING} ORDER BY client_id LIMIT :rowsMax`,
  renew: `
    UPDATE connections SET lease_expires = ${LEASE_ENDS}, updated = UTC_TIMESTAMP()
    WHERE ${LIVING} AND client_id <= _utf8mb4 :last`,
  find: `
    SELECT LEFT(connections.node, 65) AS node, ${TUNNEL}, peer_url AS peerUrl
    FROM connections JOIN culvert_nodes ON culvert_nodes.node = connections.node
    WHERE client_id = _utf8mb4 :clientId AND leased_tunnel = tunnel_ws_id
      AND connections.lease_expires > UTC_TIMESTAMP(6) AND culvert_nodes.lease_expires > UTC_TIMESTAMP(6)`,
  remove: "DELETE FROM culvert_nodes WHERE node = _utf8mb4 :node",
  sweep: "DELETE FROM culvert_nodes WHERE lease_expires <= UTC_TIMESTAMP(6)",
} as const;

/** An introducer takes no NULL, so that an empty text stands for it; and nothing is below the first client id. */
export function renewalValues(operation: Extract<RegistryOperation, { type: "renew_leases" }>): Values {
  const { peerUrl, publicUrl, after } = operation;
  return valuesOf({
    ...operation,
    peerUrl: peerUrl ?? "",
    publicUrl: publicUrl ?? "",
    after: after ?? "",
  });
}

type Row = Readonly<Record<string, unknown>>;

/** Null where there is no row. */
export function foundConnection(row: Row | undefined): FoundConnection | null {
  if (row === undefined) return null;
  const { node, tunnel, peerUrl } = row;
  return { node: String(node), tunnel: String(tunnel), peerUrl: peerUrl === null ? null : String(peerUrl) };
}
