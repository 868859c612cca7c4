/**
 * The nodes of a MySQL registry and the leases of their connections. Each node has a row of its own, which says where others reach
 * it; a connection counts for as long as its own lease and that of its node live. Links are as in `sqlite-nodes.ts`.
 */
import {
  type FoundConnection,
  INSTANCE_LENGTH_MAX,
  LINKS_FOUND_MAX,
  NODES_TOLD_MAX,
  type OtherNode,
  type RegistryOperation,
  URL_LENGTH_MAX,
} from "../../core/registry.ts";
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

export function mysqlLinks(byteWise: string): readonly string[] {
  return [
    `ALTER TABLE connections ADD COLUMN instance VARCHAR(${INSTANCE_LENGTH_MAX}) ${byteWise} NOT NULL DEFAULT ''`,
    `CREATE TABLE IF NOT EXISTS culvert_links (
      client_id VARCHAR(64) NOT NULL,
      node VARCHAR(64) NOT NULL,
      tunnel VARCHAR(64) NOT NULL,
      instance VARCHAR(${INSTANCE_LENGTH_MAX}) NOT NULL,
      fence BIGINT NOT NULL,
      lease_expires DATETIME(6) NOT NULL,
      PRIMARY KEY (client_id, node),
      KEY culvert_links_of_node (node, client_id)
    ) ${byteWise}`,
  ];
}

/** The connection of the link's client id, if the link counts. */
const OWNER_OF_LINK = `
  connections.client_id = culvert_links.client_id AND connections.instance = culvert_links.instance`;

/** Rows of the node that live. Of connections only those are ours whose `leased_tunnel` is their tunnel. */
const LIVING = `
  node = _utf8mb4 :node AND lease_expires > UTC_TIMESTAMP(6)
    AND client_id > _utf8mb4 :after`;

/** No UPDATE has a LIMIT, which not every Vitess takes across shards: what a slice has is read first, and says where it ends. */
export const nodeStatements = {
  keep: `
    INSERT INTO culvert_nodes (node, peer_url, public_url, lease_expires)
    VALUES (_utf8mb4 :node, NULLIF(_utf8mb4 :peerUrl, _utf8mb4 ''), NULLIF(_utf8mb4 :publicUrl, _utf8mb4 ''), ${LEASE_ENDS})
    ON DUPLICATE KEY UPDATE
      peer_url = NULLIF(_utf8mb4 :peerUrl, _utf8mb4 ''), public_url = NULLIF(_utf8mb4 :publicUrl, _utf8mb4 ''),
      lease_expires = ${LEASE_ENDS}`,
  others: `
    SELECT LEFT(node, 65) AS node, public_url AS publicUrl FROM culvert_nodes
    WHERE node <> _utf8mb4 :node AND peer_url IS NOT NULL AND lease_expires > UTC_TIMESTAMP(6)
    ORDER BY node LIMIT ${NODES_TOLD_MAX}`,
  /** `linked`: 1 for a link. */
  slice: `
    (SELECT ${CLIENT_ID}, ${TUNNEL}, 0 AS linked FROM connections
      WHERE ${LIVING} AND leased_tunnel = tunnel_ws_id AND instance = _utf8mb4 ''
      ORDER BY client_id LIMIT :rowsMax)
    UNION ALL
    (SELECT ${CLIENT_ID}, tunnel, 1 AS linked FROM culvert_links
      WHERE ${LIVING} AND EXISTS (SELECT 1 FROM connections WHERE ${OWNER_OF_LINK})
      ORDER BY client_id LIMIT :rowsMax)
    ORDER BY clientId LIMIT :rowsMax`,
  renew: `
    UPDATE connections SET lease_expires = ${LEASE_ENDS}, updated = UTC_TIMESTAMP()
    WHERE ${LIVING} AND leased_tunnel = tunnel_ws_id AND client_id <= _utf8mb4 :last`,
  /** No link is of the instance of a connection without one. */
  find: `
    SELECT LEFT(culvert_nodes.node, 65) AS node, COALESCE(tunnel, LEFT(tunnel_ws_id, 65)) AS tunnel, peer_url AS peerUrl
    FROM connections
    LEFT JOIN culvert_links ON ${OWNER_OF_LINK} AND culvert_links.lease_expires > UTC_TIMESTAMP(6)
    JOIN culvert_nodes ON culvert_nodes.node = COALESCE(culvert_links.node, connections.node)
    WHERE connections.client_id = _utf8mb4 :clientId AND leased_tunnel = tunnel_ws_id
      AND IF(connections.instance = _utf8mb4 '', connections.lease_expires > UTC_TIMESTAMP(6), tunnel IS NOT NULL)
      AND culvert_nodes.lease_expires > UTC_TIMESTAMP(6)
    ORDER BY culvert_links.fence DESC LIMIT ${LINKS_FOUND_MAX}`,
  remove: "DELETE FROM culvert_nodes WHERE node = _utf8mb4 :node",
  sweep: "DELETE FROM culvert_nodes WHERE lease_expires <= UTC_TIMESTAMP(6)",
} as const;

/** Living links of the node in a slice. */
const IN_SLICE = `
  culvert_links.node = _utf8mb4 :node AND culvert_links.lease_expires > UTC_TIMESTAMP(6)
    AND culvert_links.client_id > _utf8mb4 :after AND culvert_links.client_id <= _utf8mb4 :last`;

export const linkStatements = {
  /**
   * Rows are affected if and only if the link is the tunnel's, as with the connection's upsert. The connection is locked until
   * the link is there, so that it is no other process's in between.
   */
  join: `
    INSERT INTO culvert_links (client_id, node, tunnel, instance, lease_expires, fence)
    SELECT client_id, _utf8mb4 :node, _utf8mb4 :tunnel, _utf8mb4 :instance, ${LEASE_ENDS}, :fence
    FROM connections WHERE client_id = _utf8mb4 :clientId AND instance = _utf8mb4 :instance
    FOR SHARE
    ON DUPLICATE KEY UPDATE
      culvert_links.tunnel = IF(culvert_links.fence <= :fence, _utf8mb4 :tunnel, culvert_links.tunnel),
      culvert_links.instance = IF(culvert_links.fence <= :fence, _utf8mb4 :instance, culvert_links.instance),
      culvert_links.lease_expires = IF(culvert_links.fence <= :fence,
        ${LEASE_ENDS} + INTERVAL (culvert_links.lease_expires <=> ${LEASE_ENDS}) MICROSECOND,
        culvert_links.lease_expires),
      culvert_links.fence = GREATEST(culvert_links.fence, :fence)`,
  /** Before the tunnel's connection is deleted, which is another link's from then on, if there is one. */
  leave: [
    "DELETE FROM culvert_links WHERE client_id = _utf8mb4 :clientId AND tunnel = _utf8mb4 :tunnel",
    `UPDATE connections JOIN culvert_links ON ${OWNER_OF_LINK}
    SET connections.tunnel_ws_id = culvert_links.tunnel, connections.leased_tunnel = culvert_links.tunnel,
      connections.node = culvert_links.node, connections.lease_expires = culvert_links.lease_expires
    WHERE connections.client_id = _utf8mb4 :clientId AND connections.tunnel_ws_id = _utf8mb4 :tunnel
      AND culvert_links.lease_expires > UTC_TIMESTAMP(6)`,
  ],
  /** Of a slice that has links: their leases, and the connections whose own tunnels are gone. */
  renew: [
    `UPDATE culvert_links JOIN connections ON ${OWNER_OF_LINK} SET culvert_links.lease_expires = ${LEASE_ENDS}
    WHERE ${IN_SLICE}`,
    `UPDATE connections JOIN culvert_links ON ${OWNER_OF_LINK}
    SET connections.tunnel_ws_id = culvert_links.tunnel, connections.leased_tunnel = culvert_links.tunnel,
      connections.node = culvert_links.node, connections.lease_expires = culvert_links.lease_expires,
      connections.updated = UTC_TIMESTAMP()
    WHERE ${IN_SLICE} AND connections.leased_tunnel = connections.tunnel_ws_id
      AND connections.lease_expires <= UTC_TIMESTAMP(6)`,
  ],
  /** Before the connections whose lease has lapsed are deleted, but for those that have links. */
  sweep: "DELETE FROM culvert_links WHERE lease_expires <= UTC_TIMESTAMP(6)",
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

export function otherNode({ node, publicUrl }: Row): OtherNode {
  return { node: String(node), publicUrl: publicUrl === null ? null : String(publicUrl) };
}

export function foundConnection({ node, tunnel, peerUrl }: Row): FoundConnection {
  return { node: String(node), tunnel: String(tunnel), peerUrl: peerUrl === null ? null : String(peerUrl) };
}
