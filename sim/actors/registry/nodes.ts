/** The rows of nodes in the fake registry. */
import type { RegistryOperation } from "../../../core/registry.ts";

export type NodeEntry = {
  readonly peerUrl: string | null;
  readonly publicUrl: string | null;
  readonly leaseEndsUs: number;
};

export class NodeTable {
  readonly #nodes = new Map<string, NodeEntry>();
  /** Each row before it came or went, for stale reads; null where it was not there. */
  readonly #previous = new Map<string, NodeEntry | null>();
  readonly #nowUs: () => number;

  constructor(nowUs: () => number) {
    this.#nowUs = nowUs;
  }

  keep(renewal: Extract<RegistryOperation, { type: "renew_leases" }>): void {
    const { node, peerUrl, publicUrl, leaseMs } = renewal;
    if (!this.#nodes.has(node)) this.#previous.set(node, null);
    this.#nodes.set(node, { peerUrl, publicUrl, leaseEndsUs: this.#nowUs() + leaseMs * 1_000 });
  }

  delete(node: string): void {
    this.#previous.set(node, this.#nodes.get(node) ?? null);
    this.#nodes.delete(node);
  }

  sweep(): void {
    for (const [node, { leaseEndsUs }] of this.#nodes) if (leaseEndsUs <= this.#nowUs()) this.delete(node);
  }

  /** Null where its lease has lapsed, too. */
  find(node: string, isStale: boolean): NodeEntry | null {
    const previous = isStale ? this.#previous.get(node) : undefined;
    const entry = previous === undefined ? (this.#nodes.get(node) ?? null) : previous;
    return entry === null || entry.leaseEndsUs <= this.#nowUs() ? null : entry;
  }
}
