/**
 * Whom a moment is about: a visit, a visitor socket or a client id, whatever number it goes by at that place. Followed
 * from hop to hop, so that the picture can show one exchange alone.
 */
import type { Places } from "./places.ts";

export type Topic = {
  /** As a person names it: `visit 12`. */
  readonly name: string;
  /** Whose home it goes to; null where it is not known. */
  readonly clientId: string | null;
};

/** The ids of one server process are this far from its base at most; a process knows few of them. */
const IDS_PER_PROCESS = 2 ** 32;

export class Topics {
  readonly list: Topic[] = [];
  readonly #places: Places;
  readonly #visitClients: ReadonlyMap<number, string>;
  readonly #byName = new Map<string, number>();
  /** By the header list of a request's head, which is the same object on the way and at the node. */
  readonly #byHeaders = new WeakMap<object, number>();
  /** By process and by what it calls an exchange or a socket. */
  readonly #byHandle = new Map<string, number>();
  readonly #idBases: { readonly process: string; readonly idBase: number }[] = [];

  /** `visitClients` tells the client id of each visit and visitor socket that a scenario has. */
  constructor(places: Places, visitClients: ReadonlyMap<number, string>) {
    this.#places = places;
    this.#visitClients = visitClients;
  }

  serverStarted(process: string, idBase: number): void {
    this.#idBases.push({ process, idBase });
  }

  /** Null for a place that many share. */
  ofPlace(place: string): number | null {
    const id = /^(?:visit|socket):(\d+)$/.exec(place)?.[1];
    if (id !== undefined)
      return this.#named(place.replace(":", " "), this.#visitClients.get(Number(id)) ?? null);
    const clientId = this.#places.clientOf(place);
    return clientId === null ? null : this.#named(clientId, clientId);
  }

  ofVisit(visit: number): number | null {
    return this.ofPlace(`visit:${visit}`);
  }

  /** Somebody at that place asks a node for something. */
  knocks(place: string, headers: unknown, target: string): void {
    const index = this.ofPlace(place);
    if (index === null) return;
    if (typeof headers === "object" && headers !== null) this.#byHeaders.set(headers, index);
    // Visits that a fault adds are in no scenario.
    const topic = this.list[index];
    const clientId = /[?&]clientId=([^&]+)/.exec(target)?.[1];
    if (topic?.clientId === null && clientId !== undefined) this.list[index] = { ...topic, clientId };
  }

  ofWireId(wireId: number): number | null {
    for (const { process, idBase } of this.#idBases) {
      const handle = wireId - idBase;
      if (handle <= 0 || handle >= IDS_PER_PROCESS) continue;
      const { exchange, socket } = handleNames(process, handle);
      return this.#byHandle.get(exchange) ?? this.#byHandle.get(socket) ?? null;
    }
    return null;
  }

  /** Of an event or effect by its handles. `context` is what the step is about so far: new handles inherit it. */
  ofHandles(process: string, value: object, context: ReadonlySet<number>): number | null {
    const content: Readonly<Record<string, unknown>> = { ...value };
    if (content.type === "exchange_opened" || content.type === "upgrade_requested")
      this.#opened(process, content, context);
    const { exchange, socket } = content;
    if (typeof exchange === "number") {
      const name = handleNames(process, exchange).exchange;
      if (content.type === "origin_request") this.#inherit(name, context);
      return this.#byHandle.get(name) ?? null;
    }
    if (typeof socket !== "number") return null;
    return this.#byHandle.get(handleNames(process, socket).socket) ?? null;
  }

  #opened(
    process: string,
    { exchange, socket, headers, target }: Readonly<Record<string, unknown>>,
    context: ReadonlySet<number>,
  ): void {
    const knocked =
      typeof headers === "object" && headers !== null ? this.#byHeaders.get(headers) : undefined;
    const names = [exchange, socket].map((handle, index) =>
      typeof handle === "number" ? handleNames(process, handle)[index === 0 ? "exchange" : "socket"] : null,
    );
    for (const name of names) {
      if (name === null) continue;
      const topic = knocked ?? this.#asked(String(target));
      if (topic !== null) this.#byHandle.set(name, topic);
      else this.#inherit(name, context);
    }
  }

  /** Several visits may share a connection: most say in their target which they are. */
  #asked(target: string): number | null {
    const visit = /[?&]visit=(\d+)/.exec(target)?.[1];
    return visit === undefined ? null : this.ofVisit(Number(visit));
  }

  /** The exchange belongs to the visit that its request came for. */
  #inherit(name: string, context: ReadonlySet<number>): void {
    for (const topic of context) {
      if (this.list[topic]?.name.startsWith("visit") === true) this.#byHandle.set(name, topic);
    }
  }

  #named(name: string, clientId: string | null): number {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const topic = this.list.push({ name, clientId }) - 1;
    this.#byName.set(name, topic);
    return topic;
  }
}

function handleNames(
  process: string,
  handle: number,
): { readonly exchange: string; readonly socket: string } {
  return { exchange: `${process} exchange ${handle}`, socket: `${process} socket ${handle}` };
}
