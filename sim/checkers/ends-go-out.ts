/**
 * What has ended is told to the other end at once: where its home has finished a response, or its visitor a request, and
 * there is credit and a socket and a link with room, what is left of it goes out in the same step, its last frame included.
 * Nothing else would wake it: whoever waits for the end waits for a deadline.
 */
import type { AgentEffect, ServerEffect } from "../../core/effects.ts";
import type { AgentEvent, ServerEvent } from "../../core/events.ts";
import type { ExchangeId } from "../../core/ids.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Property } from "../record/checker.ts";
import type { HomeSpec } from "../scenario/scenario.ts";
import { creditOf, exchangeOf, KIND, readEntries, readGreeting, readNativeFrame } from "../wire/native.ts";
import { Marks } from "./marks.ts";
import { homeOfLinks } from "./of-one-link.ts";

/** One direction of an exchange, at the end that sends it. */
type Sending = { limit: number; sentBytes: number; next: number };

/** One session at one end. */
type Carrier = {
  /** Null while there is none that it goes on with. */
  socket: number | null;
  unsentBytes: number;
  readonly marks: Marks;
  /** The other end has still to say where it stands. */
  resumes: boolean;
  /** What each exchange of a server may send at first. */
  readonly windowBytes: number;
  readonly sendings: Map<number, Sending>;
  /** Those that have ended and whose last frame has not gone out. */
  readonly ending: Set<number>;
};

type Packet = Extract<ServerEffect, { readonly type: "socket_send_packet" }>;

export const endsGoOut: Property = {
  name: "ends_go_out",
  create: (violate, judged) => {
    const agents = new Map<string, AgentSide>();
    const servers = new Map<string, ServerSide>();
    const roomBytes = { server: 0, agent: 0 };
    let homes: readonly HomeSpec[] = [];
    const judge = (name: string, carrier: Carrier, bytesMax: number) => {
      if (carrier.ending.size === 0 || carrier.socket === null || carrier.resumes) return;
      if (carrier.unsentBytes >= bytesMax || carrier.marks.holdBack) return;
      for (const exchange of carrier.ending) {
        const { sentBytes, limit } = carrier.sendings.get(exchange) ?? NOTHING_TO_SEND;
        if (sentBytes < limit)
          violate("safety", `${name} keeps the end of exchange ${exchange}, which could go out`);
      }
    };
    return {
      begun: ({ scenario, serverLimits, agentLimits }) => {
        homes = scenario.homes;
        roomBytes.server = serverLimits.socketBytesMax;
        roomBytes.agent = agentLimits.socketBytesMax;
      },
      sees: [
        "socket_opened",
        "socket_bytes",
        "socket_flushed",
        "socket_closed",
        "socket_send_packet",
        "socket_close",
        "socket_terminate",
        "exchange_body_ended",
        "origin_ended",
      ],
      serverStep: ({ name, ledger }, event, effects, count) => {
        const isHello = event.type === "socket_bytes" && event.bytes[0] === KIND.hello;
        if (ledger.natives.size === 0 && !isHello) return;
        let side = servers.get(name);
        if (side === undefined) {
          side = new ServerSide(judged);
          servers.set(name, side);
        }
        const carrier = side.look(ledger, event, effects, count);
        if (carrier !== null) judge(name, carrier, roomBytes.server);
      },
      agentStep: ({ name }, event, effects, count) => {
        // Two servers number their exchanges alike.
        if (homeOfLinks(homes, name) !== null) return;
        let side = agents.get(name);
        if (side === undefined) {
          if (event.type !== "socket_opened" || event.protocol === null) return;
          side = new AgentSide(judged);
          agents.set(name, side);
        }
        side.look(event, effects, count);
        for (const carrier of side.carriers) judge(name, carrier, roomBytes.agent);
      },
    };
  },
};

const NOTHING_TO_SEND: Sending = { limit: 0, sentBytes: 0, next: 0 };

function newCarrier(socket: number, windowBytes: number): Carrier {
  return {
    socket,
    unsentBytes: 0,
    marks: new Marks(),
    resumes: false,
    windowBytes,
    sendings: new Map(),
    ending: new Set(),
  };
}

function resumeOn(carrier: Carrier, socket: number): void {
  carrier.socket = socket;
  carrier.unsentBytes = 0;
  carrier.marks.clear();
  carrier.resumes = true;
}

function leave(carrier: Carrier, socket: number): void {
  if (carrier.socket === socket) carrier.socket = null;
}

function forget({ sendings, ending }: Carrier, exchange: number): void {
  sendings.delete(exchange);
  ending.delete(exchange);
}

/** What the event changes of a session that is there. */
function hear(carrier: Carrier, event: ServerEvent | AgentEvent): void {
  if (event.type === "socket_flushed" && event.socket === carrier.socket) {
    // The greeting is not the session's, and goes first.
    carrier.unsentBytes = Math.max(0, carrier.unsentBytes - event.bytes);
  }
  if (event.type === "socket_closed") leave(carrier, event.socket);
  if (event.type !== "socket_bytes" || event.socket !== carrier.socket) return;
  carrier.marks.heard(event.bytes);
  const kind = event.bytes[0];
  if (kind === KIND.reset) forget(carrier, exchangeOf(event.bytes));
  if (kind !== KIND.credit && kind !== KIND.resume) return;
  const entries = readEntries(event.bytes);
  for (const { exchange, limit } of entries) {
    const sending = carrier.sendings.get(exchange);
    if (sending !== undefined) sending.limit = Math.max(sending.limit, limit);
  }
  if (kind === KIND.credit) return;
  carrier.resumes = false;
  const named = new Set(entries.map(({ exchange }) => exchange));
  // What the other end has forgotten has no end any more, or begins again.
  for (const exchange of carrier.sendings.keys()) if (!named.has(exchange)) forget(carrier, exchange);
}

/** What goes out of it. */
function note(carrier: Carrier, effect: ServerEffect | AgentEffect, judged: () => void): void {
  if (effect.type === "socket_close" || effect.type === "socket_terminate") leave(carrier, effect.socket);
  if (effect.type !== "socket_send_packet" || effect.socket !== carrier.socket) return;
  let total = effect.header.length;
  for (const part of effect.body) total += part.length;
  carrier.unsentBytes += total;
  carrier.marks.sent(effect.header, total);
  const kind = effect.header[0];
  if (kind === KIND.reset) forget(carrier, exchangeOf(effect.header));
  if (kind !== KIND.piece) return;
  const sending = carrier.sendings.get(exchangeOf(effect.header));
  const frame = sending === undefined ? null : readNativeFrame(effect.header, total);
  // What is below was there before, and is sent again.
  if (sending === undefined || frame === null || frame.number < sending.next) return;
  sending.next = frame.number + 1;
  sending.sentBytes += frame.bodyBytes;
  if (!frame.last) return;
  if (carrier.ending.has(frame.exchange)) judged();
  forget(carrier, frame.exchange);
}

class AgentSide {
  /** Of its links, the newest last: those before it are of servers that leave. */
  carriers: Carrier[] = [];
  readonly #judged: () => void;
  /** Sockets of the native protocol that wait for their welcome. */
  readonly #greeting = new Set<number>();
  /** By the number that its home's request has: the exchange, and who carries it. */
  readonly #origins = new Map<number, { readonly carrier: Carrier; readonly exchange: number }>();

  constructor(judged: () => void) {
    this.#judged = judged;
  }

  look(event: AgentEvent, effects: readonly (AgentEffect | undefined)[], count: number): void {
    if (event.type === "socket_opened" && event.protocol !== null) this.#greeting.add(event.socket);
    if (event.type === "socket_bytes" && this.#greeting.delete(event.socket))
      this.#welcome(event.socket, event.bytes);
    else for (const carrier of this.carriers) hear(carrier, event);
    if (event.type === "origin_ended") this.#end(event.exchange);
    for (let index = 0; index < count; index++) {
      const effect = effects[index];
      if (effect?.type === "origin_request" && event.type === "socket_bytes")
        this.#begin(event.socket, effect.exchange, event.bytes);
      if (effect !== undefined) for (const carrier of this.carriers) note(carrier, effect, this.#judged);
    }
  }

  #welcome(socket: number, bytes: Uint8Array): void {
    const newest = this.carriers.at(-1);
    if (readGreeting(bytes)?.resumed === true && newest !== undefined) {
      resumeOn(newest, socket);
      return;
    }
    this.carriers = [...this.carriers.filter((carrier) => carrier.socket !== null), newCarrier(socket, 0)];
  }

  #begin(socket: number, origin: number, bytes: Uint8Array): void {
    const carrier = this.carriers.find((each) => each.socket === socket);
    const frame = readNativeFrame(bytes);
    if (carrier === undefined || frame === null) return;
    const limit = creditOf(bytes, frame.headAt);
    carrier.sendings.set(frame.exchange, { limit, sentBytes: 0, next: 0 });
    this.#origins.set(origin, { carrier, exchange: frame.exchange });
  }

  #end(origin: number): void {
    const ended = this.#origins.get(origin);
    this.#origins.delete(origin);
    if (ended === undefined) return;
    const { carrier, exchange } = ended;
    if (carrier.sendings.has(exchange)) carrier.ending.add(exchange);
  }
}

const NOBODY = { native: false, clientId: "" };

class ServerSide {
  readonly #judged: () => void;
  /** By client id. */
  readonly #carriers = new Map<string, Carrier>();
  /** By exchange: who carries it. */
  readonly #carrierOf = new Map<number, Carrier>();

  constructor(judged: () => void) {
    this.#judged = judged;
  }

  /** The session that the step was about, if it was about one. */
  look(
    ledger: Ledger,
    event: ServerEvent,
    effects: readonly (ServerEffect | undefined)[],
    count: number,
  ): Carrier | null {
    let carrier = this.#carrierAbout(ledger, event);
    if (carrier !== null) hear(carrier, event);
    if (event.type === "exchange_body_ended" && carrier?.sendings.has(event.exchange) === true)
      carrier.ending.add(event.exchange);
    for (let index = 0; index < count; index++) {
      const effect = effects[index];
      if (effect?.type === "socket_send_packet") {
        const { clientId } = ledger.sockets.get(effect.socket) ?? NOBODY;
        if (effect.header[0] === KIND.welcome) this.#welcome(clientId, effect, event);
        else this.#begin(ledger, this.#carriers.get(clientId), effect);
        carrier = this.#carriers.get(clientId) ?? null;
      }
      // Several may be sent away in one step.
      if (effect?.type === "socket_close" || effect?.type === "socket_terminate")
        for (const each of this.#carriers.values()) leave(each, effect.socket);
      if (effect !== undefined && carrier !== null) note(carrier, effect, this.#judged);
    }
    return carrier;
  }

  #carrierAbout({ sockets }: Ledger, event: ServerEvent): Carrier | null {
    if (event.type === "exchange_body_ended") return this.#carrierOf.get(event.exchange) ?? null;
    if (!("socket" in event)) return null;
    const { native, clientId } = sockets.get(event.socket) ?? NOBODY;
    if (native) return this.#carriers.get(clientId) ?? null;
    if (event.type !== "socket_closed") return null;
    // A socket that has ended is in the ledger no more.
    for (const carrier of this.#carriers.values()) if (carrier.socket === event.socket) return carrier;
    return null;
  }

  #welcome(clientId: string, { socket, header }: Packet, hello: ServerEvent): void {
    const known = this.#carriers.get(clientId);
    if (known !== undefined && readGreeting(header)?.resumed === true) {
      resumeOn(known, socket);
      return;
    }
    const window = hello.type === "socket_bytes" ? readGreeting(hello.bytes)?.window : undefined;
    this.#carriers.set(clientId, newCarrier(socket, typeof window === "number" ? window : 0));
  }

  #begin(ledger: Ledger, carrier: Carrier | undefined, { socket, header }: Packet): void {
    if (carrier?.socket !== socket || header[0] !== KIND.piece) return;
    if (carrier.sendings.has(exchangeOf(header))) return;
    const frame = readNativeFrame(header);
    if (frame === null || !frame.hasHead) return;
    const exchange = frame.exchange as ExchangeId;
    carrier.sendings.set(exchange, { limit: carrier.windowBytes, sentBytes: 0, next: 0 });
    this.#carrierOf.set(exchange, carrier);
    const known = ledger.exchanges.get(exchange);
    if (known !== undefined && (known.requestEnded || !known.opened.hasBody)) carrier.ending.add(exchange);
  }
}
