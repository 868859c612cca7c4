/** Links in the fake registry: tunnels of one process of an agent, at most one at each node. */
import type { RegistryOperation } from "../../../core/registry.ts";
import type { ConnectionEntry } from "../../record/registry-row.ts";

export type Upsert = Extract<RegistryOperation, { type: "upsert_connection" }>;

export class LinkTable {
  /** By client id and node. */
  readonly #links = new Map<string, Map<string, ConnectionEntry>>();
  readonly #nowUs: () => number;

  constructor(nowUs: () => number) {
    this.#nowUs = nowUs;
  }

  /** Whether the link is the tunnel's from now on; `owner` is the connection as it is now. */
  join(upsert: Upsert & { readonly instance: string }, owner: ConnectionEntry | null): boolean {
    const { clientId, tunnel, node, fence, instance, leaseMs } = upsert;
    if (!this.takes(upsert, owner)) return false;
    const links = this.#links.get(clientId) ?? new Map<string, ConnectionEntry>();
    this.#links.set(clientId, links);
    links.set(node, { tunnel, node, fence, instance, leaseEndsUs: this.#nowUs() + leaseMs * 1_000 });
    return true;
  }

  takes(
    { clientId, node, fence, instance }: Upsert & { readonly instance: string },
    owner: ConnectionEntry | null,
  ): boolean {
    return owner?.instance === instance && (this.#links.get(clientId)?.get(node)?.fence ?? 0) <= fence;
  }

  remove(clientId: string, tunnel: string): void {
    const links = this.#links.get(clientId);
    for (const [node, link] of links ?? []) if (link.tunnel === tunnel) links?.delete(node);
    if (links?.size === 0) this.#links.delete(clientId);
  }

  /** Those that count and live, the newest first. */
  of(clientId: string, owner: ConnectionEntry | null): readonly ConnectionEntry[] {
    if (owner?.instance === undefined) return [];
    const links = [...(this.#links.get(clientId)?.values() ?? [])];
    return links
      .filter((link) => link.instance === owner.instance && link.leaseEndsUs > this.#nowUs())
      .sort((a, b) => b.fence - a.fence);
  }

  renew(clientId: string, link: ConnectionEntry, leaseMs: number): ConnectionEntry {
    const renewed = { ...link, leaseEndsUs: this.#nowUs() + leaseMs * 1_000 };
    this.#links.get(clientId)?.set(link.node, renewed);
    return renewed;
  }

  sweep(): void {
    for (const [clientId, links] of this.#links) {
      for (const { tunnel, leaseEndsUs } of links.values()) {
        if (leaseEndsUs <= this.#nowUs()) this.remove(clientId, tunnel);
      }
    }
  }
}
