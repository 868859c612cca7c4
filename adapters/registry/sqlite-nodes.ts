/**
 * The nodes of a SQLite registry and the leases of their connections. Each node has a row of its own, which says where others reach
 * it; a connection counts for as long as its own lease and that of its node live.
 *
 * An agent may have tunnels at several nodes. One whose agent says which process of it this is has a link beside its connection, and
 * a link counts while the connection of its client id is of the same process, whichever of its tunnels that names. So one write of
 * the connection ends all links of an older process.
 */
import type { DatabaseSync } from "node:sqlite";
import {
  type FoundConnection,
  LINKS_FOUND_MAX,
  NODES_TOLD_MAX,
  type OtherNode,
  type RegistryOperation,
  type RegistryOutcome,
} from "../../core/registry.ts";

/** By the index a slice of a node's connections is read in order, however many there are. */
export const SQLITE_NODES = `
  CREATE TABLE culvert_nodes (
    node TEXT NOT NULL PRIMARY KEY,
    peer_url TEXT,
    public_url TEXT,
    lease_expires TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX culvert_node ON connections (node);`;

type Renewal = Extract<RegistryOperation, { readonly type: "renew_leases" }>;

export function sqliteNodes(database: DatabaseSync, links: ReturnType<typeof sqliteLinks>) {
  const keep = database.prepare(`
    INSERT INTO culvert_nodes (node, peer_url, public_url, lease_expires)
    VALUES (?1, ?2, ?3, datetime('now', '+' || ?4 || ' seconds'))
    ON CONFLICT (node) DO UPDATE SET
      peer_url = excluded.peer_url, public_url = excluded.public_url, lease_expires = excluded.lease_expires`);
  const slice = database.prepare(`
    SELECT * FROM (
      SELECT client_id, tunnel_ws_id AS tunnel FROM connections
      WHERE node = ?1 AND client_id > ?2 AND lease_expires > datetime('now') AND instance = ''
      ORDER BY client_id LIMIT ?3)
    UNION ALL SELECT * FROM (
      SELECT client_id, tunnel FROM culvert_links
      WHERE node = ?1 AND client_id > ?2 AND lease_expires > datetime('now')
        AND EXISTS (SELECT 1 FROM connections WHERE ${OWNER_OF_LINK})
      ORDER BY client_id LIMIT ?3)
    ORDER BY client_id LIMIT ?3`);
  const renew = database.prepare(`
    UPDATE connections SET lease_expires = datetime('now', '+' || ?4 || ' seconds'), updated = CURRENT_TIMESTAMP
    WHERE node = ?1 AND client_id > ?2 AND client_id <= ?3 AND lease_expires > datetime('now')`);
  const find = database.prepare(`
    SELECT culvert_nodes.node AS node, tunnel, peer_url FROM (
      SELECT node, tunnel_ws_id AS tunnel, fence FROM connections
      WHERE client_id = ?1 AND instance = '' AND lease_expires > datetime('now')
      UNION ALL
      SELECT culvert_links.node, culvert_links.tunnel, culvert_links.fence
      FROM connections JOIN culvert_links ON ${OWNER_OF_LINK}
      WHERE connections.client_id = ?1 AND culvert_links.lease_expires > datetime('now')
    ) AS place JOIN culvert_nodes ON culvert_nodes.node = place.node
    WHERE culvert_nodes.lease_expires > datetime('now') ORDER BY fence DESC LIMIT ?2`);
  const others = database.prepare(`
    SELECT node, public_url FROM culvert_nodes
    WHERE node <> ?1 AND peer_url IS NOT NULL AND lease_expires > datetime('now') ORDER BY node LIMIT ?2`);
  const remove = database.prepare("DELETE FROM culvert_nodes WHERE node = ?1");
  const sweep = database.prepare("DELETE FROM culvert_nodes WHERE lease_expires <= datetime('now')");
  return {
    renew: ({ node, peerUrl, publicUrl, leaseMs, after, rowsMax }: Renewal): RegistryOutcome => {
      const leaseSeconds = leaseMs / 1000;
      keep.run(node, peerUrl, publicUrl, leaseSeconds);
      const from = after ?? "";
      const rows = slice.all(node, from, rowsMax).map((row) => {
        return { clientId: String(row.client_id), tunnel: String(row.tunnel) };
      });
      const last = rows.at(-1)?.clientId ?? null;
      if (last !== null) {
        renew.run(node, from, last, leaseSeconds);
        links.renew(node, from, last, leaseSeconds);
      }
      const renewed = { type: "leases_renewed", rows, next: rows.length < rowsMax ? null : last } as const;
      return after === null
        ? { ...renewed, others: others.all(node, NODES_TOLD_MAX).map(otherNode) }
        : renewed;
    },
    find: (clientId: string): readonly FoundConnection[] =>
      find.all(clientId, LINKS_FOUND_MAX).map(({ node, tunnel, peer_url: peerUrl }) => ({
        node: String(node),
        tunnel: String(tunnel),
        peerUrl: peerUrl === null ? null : String(peerUrl),
      })),
    remove: (node: string) => remove.run(node),
    sweep: () => sweep.run(),
  };
}

function otherNode({ node, public_url: publicUrl }: Record<string, unknown>): OtherNode {
  return { node: String(node), publicUrl: publicUrl === null ? null : String(publicUrl) };
}

export const SQLITE_LINKS = `
  ALTER TABLE connections ADD COLUMN instance TEXT NOT NULL DEFAULT '';
  CREATE TABLE culvert_links (
    client_id TEXT NOT NULL,
    node TEXT NOT NULL,
    tunnel TEXT NOT NULL,
    instance TEXT NOT NULL,
    fence INTEGER NOT NULL,
    lease_expires TEXT NOT NULL,
    PRIMARY KEY (client_id, node)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX culvert_links_of_node ON culvert_links (node, client_id);`;

/** The connection of the link's client id, if the link counts. */
export const OWNER_OF_LINK = `
  connections.client_id = culvert_links.client_id AND connections.instance = culvert_links.instance`;

type LinkRow = {
  readonly clientId: string;
  readonly node: string;
  readonly tunnel: string;
  readonly instance: string;
  readonly fence: number;
  readonly leaseMs: number;
};

export function sqliteLinks(database: DatabaseSync) {
  const living = `culvert_links.lease_expires > datetime('now')`;
  const join = database.prepare(`
    INSERT INTO culvert_links (client_id, node, tunnel, instance, fence, lease_expires)
    SELECT ?1, ?2, ?3, ?4, ?5, datetime('now', '+' || ?6 || ' seconds')
    FROM connections WHERE client_id = ?1 AND instance = ?4
    ON CONFLICT (client_id, node) DO UPDATE SET
      tunnel = excluded.tunnel, instance = excluded.instance, fence = excluded.fence,
      lease_expires = excluded.lease_expires
    WHERE excluded.fence >= culvert_links.fence`);
  const remove = database.prepare("DELETE FROM culvert_links WHERE client_id = ?1 AND tunnel = ?2");
  const handOver = database.prepare(`
    UPDATE connections SET tunnel_ws_id = heir.tunnel, node = heir.node, lease_expires = heir.lease_expires
    FROM (
      SELECT tunnel, node, lease_expires, instance FROM culvert_links
      WHERE client_id = ?1 AND ${living} ORDER BY fence DESC
    ) AS heir
    WHERE connections.client_id = ?1 AND connections.tunnel_ws_id = ?2 AND connections.instance = heir.instance`);
  const inSlice = `culvert_links.node = ?1 AND culvert_links.client_id > ?2 AND culvert_links.client_id <= ?3 AND ${living}`;
  const renew = database.prepare(`
    UPDATE culvert_links SET lease_expires = datetime('now', '+' || ?4 || ' seconds')
    WHERE ${inSlice} AND EXISTS (SELECT 1 FROM connections WHERE ${OWNER_OF_LINK})`);
  const inherit = database.prepare(`
    UPDATE connections SET tunnel_ws_id = culvert_links.tunnel, node = culvert_links.node,
      lease_expires = culvert_links.lease_expires, updated = CURRENT_TIMESTAMP
    FROM culvert_links
    WHERE ${inSlice} AND ${OWNER_OF_LINK} AND connections.lease_expires <= datetime('now')`);
  const sweep = database.prepare("DELETE FROM culvert_links WHERE lease_expires <= datetime('now')");
  return {
    /** Whether the link is the tunnel's from now on. */
    join: ({ clientId, node, tunnel, instance, fence, leaseMs }: LinkRow): boolean =>
      Number(join.run(clientId, node, tunnel, instance, fence, leaseMs / 1000).changes) > 0,
    /** Called before the tunnel's connection is deleted, which is another link's from now on, if there is one. */
    leave: (clientId: string, tunnel: string) => {
      remove.run(clientId, tunnel);
      handOver.run(clientId, tunnel);
    },
    /** Of the node, behind one client id and up to another: their leases, and the connections whose own tunnels are gone. */
    renew: (node: string, after: string, last: string, leaseSeconds: number) => {
      renew.run(node, after, last, leaseSeconds);
      inherit.run(node, after, last);
    },
    /** Called before the connections whose lease has lapsed are deleted, but for those that have links. */
    sweep: () => sweep.run(),
  };
}
