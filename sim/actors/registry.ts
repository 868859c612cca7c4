/**
 * The fake registry: the tables, the rules of `core/registry.ts`, one clock, and the whole history of every row.
 *
 * A call travels there, is committed at one instant, and its answer travels back. Faults act between those points, so
 * a lost write, a stale read or a commit whose answer says "error" is a real history and not a made-up answer.
 */
import {
  ACCESS_LENGTH_MAX,
  LINKS_FOUND_MAX,
  type RegistryFault,
  type RegistryOperation,
  type RegistryOutcome,
} from "../../core/registry.ts";
import type { ConnectionEntry, RegistryChange } from "../record/registry-row.ts";
import type { Random } from "../tools/random.ts";
import { Clock } from "../world/clock.ts";
import type { Agenda, World } from "../world/world.ts";
import { HomeTable } from "./registry/homes.ts";
import { LinkTable, type Upsert } from "./registry/links.ts";
import { NodeTable } from "./registry/nodes.ts";
import { isStorable } from "./registry/storable.ts";
import { TokenTables } from "./token-tables.ts";

/** What a fault does to one call. Each `null` or 0 leaves that point alone. */
export type Interference = {
  readonly kind: string;
  /** Added on the way there, or on the way back. */
  readonly delayUs?: number;
  readonly answerDelayUs?: number;
  /** The call never gets an answer. */
  readonly hangs?: boolean;
  /** Fails before anything is done. */
  readonly failBefore?: RegistryFault;
  /** Fails after the commit: the change is made all the same. */
  readonly failAfter?: RegistryFault;
  /** The change is confirmed and then forgotten. */
  readonly losesWrite?: boolean;
  /** Reads from a replica that lags: rows before their last change, no token of the last seconds. */
  readonly readsStale?: boolean;
  /** Its answer changes places with the next one. */
  readonly swaps?: boolean;
};

/** A fault decides what happens to each call; null leaves it alone. */
export type Interferer = (operation: RegistryOperation, node: string) => Interference | null;

type Call = {
  readonly node: string;
  readonly operation: RegistryOperation;
  readonly answer: (outcome: RegistryOutcome) => void;
  readonly interference: Interference | null;
  readonly way: Way;
};

/** The streams of one node's calls for one client id: nobody else's calls change what they draw. */
type Way = { readonly random: Random; readonly agenda: Agenda };

/** The registry's wall clock at the start of a run: some day in 2025. */
const EPOCH_US = 1_750_000_000_000_000;

export class FakeRegistry {
  readonly clock: Clock;
  readonly interferers = new Set<Interferer>();
  readonly history: RegistryChange[] = [];
  readonly connections = new Map<string, ConnectionEntry>();
  /** Credentials; a scenario's are there before the run. */
  readonly tokens: TokenTables;
  readonly homes: HomeTable;
  readonly nodes: NodeTable;
  readonly links: LinkTable;
  /** Each row's value before its last change, for stale reads. */
  readonly #previous = new Map<string, ConnectionEntry | null>();
  readonly #world: World;
  readonly #ways = new Map<string, Way>();
  readonly #latencyUs: number;
  #lastFence = 0;
  readonly #heldBack: (() => void)[] = [];

  constructor(world: World, latencyUs: number) {
    this.#world = world;
    this.#latencyUs = latencyUs;
    this.clock = new Clock(world.nowUs, EPOCH_US);
    const clocks = { nowUs: () => this.nowUs, worldUs: () => world.nowUs };
    this.tokens = new TokenTables(clocks, () => this.#fence(), world.watch);
    this.homes = new HomeTable(() => this.nowUs);
    this.nodes = new NodeTable(() => this.nowUs);
    this.links = new LinkTable(() => this.nowUs);
  }

  /** The registry's own time. */
  get nowUs(): number {
    return this.clock.read(this.#world.nowUs);
  }

  call(node: string, operation: RegistryOperation, answer: (outcome: RegistryOutcome) => void): void {
    const interference = this.#interfere(operation, node);
    const call: Call = { node, operation, answer, interference, way: this.#wayOf(node, operation) };
    this.#world.trace?.sent(this.#world.nowUs, node, REGISTRY, call);
    const { agenda } = call.way;
    agenda.after(this.#tripUs(call.way) + (interference?.delayUs ?? 0), () => this.#arrive(call));
  }

  /** The rows that a request may be routed by: those whose lease has not lapsed. */
  ownerOf(clientId: string): ConnectionEntry | null {
    const entry = this.connections.get(clientId);
    return entry === undefined || !this.#lives(entry) ? null : entry;
  }

  /** All of these, by client id. */
  rows(): Map<string, ConnectionEntry> {
    return new Map([...this.connections].filter(([clientId]) => this.ownerOf(clientId) !== null));
  }

  #interfere(operation: RegistryOperation, node: string): Interference | null {
    for (const interferer of this.interferers) {
      const interference = interferer(operation, node);
      if (interference === null) continue;
      this.#world.faultFired(interference.kind);
      return interference;
    }
    return null;
  }

  #wayOf(node: string, operation: RegistryOperation): Way {
    const name = `registry:${node}:${"clientId" in operation ? operation.clientId : operation.type}`;
    const known = this.#ways.get(name);
    if (known !== undefined) return known;
    const way = { random: this.#world.random(name), agenda: this.#world.agenda(name) };
    this.#ways.set(name, way);
    return way;
  }

  #tripUs({ random }: Way): number {
    return Math.floor(this.#latencyUs / 2) + random.below(Math.floor(this.#latencyUs / 2) + 1);
  }

  #arrive(call: Call): void {
    const { interference } = call;
    this.#world.trace?.arrived(this.#world.nowUs, call);
    if (interference?.failBefore !== undefined) {
      this.#reply(call, { type: "failed", fault: interference.failBefore });
      return;
    }
    const outcome = this.#commit(call.operation, interference);
    if (interference?.hangs === true) return;
    if (interference?.failAfter !== undefined) {
      this.#reply(call, { type: "failed", fault: interference.failAfter });
    } else if (interference?.swaps === true) {
      this.#holdBack(call, outcome);
    } else {
      this.#reply(call, outcome);
    }
  }

  #reply(call: Call, outcome: RegistryOutcome): void {
    const delayUs = call.interference?.answerDelayUs ?? 0;
    this.#world.trace?.sent(this.#world.nowUs, REGISTRY, call.node, outcome);
    call.way.agenda.after(this.#tripUs(call.way) + delayUs, () => {
      this.#answer(call, outcome);
      this.#releaseHeldBack();
    });
  }

  /** The answer waits until another call was answered first. */
  #holdBack(call: Call, outcome: RegistryOutcome): void {
    this.#world.trace?.sent(this.#world.nowUs, REGISTRY, call.node, outcome);
    this.#heldBack.push(() => this.#answer(call, outcome));
    call.way.agenda.after(SWAP_WAIT_US, () => this.#releaseHeldBack());
  }

  #answer(call: Call, outcome: RegistryOutcome): void {
    this.#world.trace?.arrived(this.#world.nowUs, outcome);
    call.answer(outcome);
  }

  #releaseHeldBack(): void {
    for (const answer of this.#heldBack.splice(0)) answer();
  }

  #commit(operation: RegistryOperation, interference: Interference | null): RegistryOutcome {
    const losesWrite = interference?.losesWrite === true;
    if (operation.type === "revoke_client" && !losesWrite) this.homes.forget(operation.clientId);
    switch (operation.type) {
      case "upsert_connection":
        return this.#upsert(operation, interference);
      case "recall_home":
        return {
          type: "home_recalled",
          home: this.homes.recall(operation.clientId, interference?.readsStale === true),
        };
      case "delete_connection":
        this.#delete(operation, interference);
        return { type: "connection_deleted" };
      case "find_connection":
        return this.#find(operation.clientId, interference);
      case "renew_leases":
        return this.#renew(operation, interference);
      case "delete_node":
        if (!losesWrite) this.nodes.delete(operation.node);
        return { type: "node_deleted" };
      case "sweep":
        this.tokens.sweep(operation.keptMs);
        if (!losesWrite) for (const table of [this.nodes, this.links]) table.sweep();
        this.#sweep(interference);
        return { type: "swept" };
      default:
        for (const name of [
          "clientId" in operation ? operation.clientId : "",
          "name" in operation ? operation.name : "",
        ]) {
          if (!isStorable(name)) return { type: "failed", fault: "refused" };
        }
        return this.tokens.commit(operation, interference ?? {});
    }
  }

  #upsert(operation: Upsert, interference: Interference | null): RegistryOutcome {
    const { clientId, tunnel, node, fence, leaseMs, access, instance } = operation;
    const named = [clientId, tunnel, node, instance ?? ""];
    const fits = named.every(isStorable) && access.length <= ACCESS_LENGTH_MAX;
    if (!fits) return { type: "failed", fault: "refused" };
    const losesWrite = interference?.losesWrite === true;
    const row = this.connections.get(clientId);
    const isOwner = row === undefined || row.fence <= fence;
    if (isOwner) {
      const of = instance === undefined ? {} : { instance };
      const entry = { tunnel, node, fence, leaseEndsUs: this.nowUs + leaseMs * 1000, ...of };
      this.#write(clientId, entry, operation.type, interference);
      if (!losesWrite) this.homes.remember(clientId, access, fence);
    }
    if (instance === undefined) return { type: "connection_upserted", current: isOwner };
    const owner = this.connections.get(clientId) ?? null;
    const link = { ...operation, instance };
    const current = losesWrite ? isOwner || this.links.takes(link, owner) : this.links.join(link, owner);
    return { type: "connection_upserted", current };
  }

  /** The connection is another link's from then on, if there is one. */
  #delete(
    { clientId, tunnel, type }: Extract<RegistryOperation, { type: "delete_connection" }>,
    interference: Interference | null,
  ): void {
    const losesWrite = interference?.losesWrite === true;
    if (!losesWrite) this.links.remove(clientId, tunnel);
    const row = this.connections.get(clientId);
    if (row?.tunnel !== tunnel) return;
    const [heir] = this.links.of(clientId, row);
    if (heir === undefined && !losesWrite) this.homes.see(clientId);
    const after = heir === undefined ? null : { ...heir, fence: row.fence };
    this.#write(clientId, after, type, interference);
  }

  #find(clientId: string, interference: Interference | null): RegistryOutcome {
    const row = this.#read(clientId, interference);
    const own = row !== null && row.instance === undefined && this.#lives(row) ? [row] : [];
    const connections = [...own, ...this.links.of(clientId, row)].flatMap(({ node, tunnel }) => {
      const entry = this.nodes.find(node, interference?.readsStale === true);
      return entry === null ? [] : [{ node, tunnel, peerUrl: entry.peerUrl }];
    });
    return { type: "connections_found", connections: connections.slice(0, LINKS_FOUND_MAX) };
  }

  #renew(
    operation: Extract<RegistryOperation, { type: "renew_leases" }>,
    interference: Interference | null,
  ): RegistryOutcome {
    const { node, leaseMs, after, rowsMax } = operation;
    if (!isStorable(node) || !this.nodes.takes(operation)) return { type: "failed", fault: "refused" };
    const losesWrite = interference?.losesWrite === true;
    if (!losesWrite) this.nodes.keep(operation);
    const isOurs = (row: ConnectionEntry | null) => row?.node === node && this.#lives(row);
    const linkOf = (clientId: string, row: ConnectionEntry | null) =>
      this.links.of(clientId, row).find((link) => link.node === node);
    const clientIds = [...this.connections.keys()]
      .filter((clientId) => after === null || clientId > after)
      .sort();
    const rows = clientIds.flatMap((clientId) => {
      const row = this.#read(clientId, interference);
      const ours = row?.instance === undefined && isOurs(row) ? row : linkOf(clientId, row);
      return ours == null ? [] : [{ clientId, tunnel: ours.tunnel }];
    });
    const slice = rows.slice(0, rowsMax);
    const last = slice.at(-1)?.clientId ?? "";
    for (const clientId of clientIds) {
      const row = this.connections.get(clientId) ?? null;
      if (clientId > last || row === null) continue;
      const link = linkOf(clientId, row);
      const heir = link === undefined || losesWrite ? null : this.links.renew(clientId, link, leaseMs);
      const inherits = heir !== null && !this.#lives(row);
      if (!isOurs(row) && !inherits) continue;
      const leaseEndsUs = this.nowUs + leaseMs * 1000;
      const owner = inherits ? { ...heir, fence: row.fence } : row;
      this.#write(clientId, { ...owner, leaseEndsUs }, operation.type, interference);
      if (!losesWrite) this.homes.see(clientId);
    }
    const next = slice.length < rowsMax ? null : last;
    return { type: "leases_renewed", rows: slice, next, ...this.nodes.told(operation) };
  }

  #sweep(interference: Interference | null): void {
    for (const [clientId, row] of this.connections) {
      if (!this.#lives(row) && this.links.of(clientId, row).length === 0)
        this.#write(clientId, null, "sweep", interference);
    }
  }

  #lives({ leaseEndsUs }: ConnectionEntry): boolean {
    return leaseEndsUs > this.nowUs;
  }

  #read(clientId: string, interference: Interference | null): ConnectionEntry | null {
    if (interference?.readsStale === true) {
      const previous = this.#previous.get(clientId);
      if (previous !== undefined) return previous;
    }
    return this.connections.get(clientId) ?? null;
  }

  #write(
    clientId: string,
    after: ConnectionEntry | null,
    operation: RegistryOperation["type"],
    interference: Interference | null,
  ): void {
    if (interference?.losesWrite === true) return;
    const before = this.connections.get(clientId) ?? null;
    this.#previous.set(clientId, before);
    if (after === null) this.connections.delete(clientId);
    else this.connections.set(clientId, after);
    const change: RegistryChange = { atUs: this.#world.nowUs, clientId, operation, before, after };
    this.history.push(change);
    this.#world.trace?.line(change.atUs, REGISTRY, `${clientId}: ${nameOf(before)} becomes ${nameOf(after)}`);
    this.#world.watch.registryChanged(change);
  }

  /** The clock in microseconds, and never the same number twice. */
  #fence(): number {
    this.#lastFence = Math.max(this.#lastFence + 1, this.nowUs);
    return this.#lastFence;
  }
}

/** A call whose answer should change places waits this long for another one. */
const SWAP_WAIT_US = 50_000;
/** Its name as a place, for a recorder. */
const REGISTRY = "registry";

function nameOf(row: ConnectionEntry | null): string {
  return row === null ? "no row" : `tunnel ${row.tunnel} of ${row.node}`;
}
