/** The rows of nodes in the fake registry. */
import {
  NODES_TOLD_MAX,
  type OtherNode,
  type RegistryOperation,
  URL_LENGTH_MAX,
} from "../../../core/registry.ts";

export type NodeEntry = {
  readonly peerUrl: string | null;
  readonly publicUrl: string | null;
  readonly leaseEndsUs: number;
};

type Renewal = Extract<RegistryOperation, { type: "renew_leases" }>;

export class NodeTable {
  readonly #nodes = new Map<string, NodeEntry>();
  /** Each row before it came or went, for stale reads; null where it was not there. */
  readonly #previous = new Map<string, NodeEntry | null>();
  readonly #nowUs: () => number;

  constructor(nowUs: () => number) {
    this.#nowUs = nowUs;
  }

  keep(renewal: Renewal): void {
    const { node, peerUrl, publicUrl, leaseMs } = renewal;
    if (!this.#nodes.has(node)) this.#previous.set(node, null);
    this.#nodes.set(node, { peerUrl, publicUrl, leaseEndsUs: this.#nowUs() + leaseMs * 1_000 });
  }

  takes({ peerUrl, publicUrl }: Renewal): boolean {
    return [peerUrl, publicUrl].every((url) => url === null || url.length <= URL_LENGTH_MAX);
  }

  delete(node: string): void {
    this.#previous.set(node, this.#nodes.get(node) ?? null);
    this.#nodes.delete(node);
  }

  sweep(): void {
    for (const [node, { leaseEndsUs }] of this.#nodes) if (leaseEndsUs <= this.#nowUs()) this.delete(node);
  }

  /** In the first slice, those that live and take requests from that one. */
  told(asked: Pick<Renewal, "node" | "after">): { readonly others?: readonly OtherNode[] } {
    if (asked.after !== null) return {};
    const others = [...this.#nodes]
      .filter(([node, { peerUrl, leaseEndsUs }]) => {
        return node !== asked.node && peerUrl !== null && leaseEndsUs > this.#nowUs();
      })
      .map(([node, { publicUrl }]) => ({ node, publicUrl }))
      .sort((one, other) => (one.node < other.node ? -1 : 1))
      .slice(0, NODES_TOLD_MAX);
    return { others };
  }

  /** Null where its lease has lapsed, too. */
  find(node: string, isStale: boolean): NodeEntry | null {
    const previous = isStale ? this.#previous.get(node) : undefined;
    const entry = previous === undefined ? (this.#nodes.get(node) ?? null) : previous;
    return entry === null || entry.leaseEndsUs <= this.#nowUs() ? null : entry;
  }
}
