/**
 * An agent's orders name live things only, and its packets are what the protocol says: numbered from 1 without a gap, with
 * one last, none after the last or an ABORT, none above the size limit. What lost its tunnel is aborted at the origin.
 */
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent } from "../../core/events.ts";
import { seenPacket } from "../ledger/seen-packet.ts";
import type { Property } from "../record/checker.ts";
import type { HomeSpec } from "../scenario/scenario.ts";
import { KIND } from "../wire/native.ts";
import { ofEachProcess } from "./of-each-process.ts";
import { homeOfLinks } from "./of-one-link.ts";

/** What one agent's process has going. */
type Going = {
  readonly packetBytesMax: number;
  readonly sockets: Map<number, "connecting" | "open">;
  /** Those whose server has said that it leaves: another one may be opened beside them. */
  readonly older: Set<number>;
  /** Those that speak the native protocol. */
  readonly natives: Set<number>;
  readonly origins: Set<number>;
  /** By request id: the next packet's number; 0 when nothing more may be sent. */
  readonly responses: Map<number, number>;
  lastSocket: number;
  /** The request that the event of this step makes; null where it makes none. */
  asked: number | null;
  /** It was asked to stop: nothing new is taken. */
  drains: boolean;
  /** Its latest tunnel speaks the native protocol, whose frames `native_flow` judges. */
  native: boolean;
  /** There is a tunnel: on a socket of the native protocol since the welcome. */
  greeted: boolean;
  /** When it lost that, and all older ones. */
  lostMs: number;
};

const PROTOCOL_ERROR = 1002;
/** A timer may be late. */
/** The server may notice so much later that a tunnel is lost, and counts from then. */
const NOTICED_LATER_MS = 15_000;
const LATE_MS = 500;

export const agentOrders: Property = {
  name: "agent_orders",
  create: (violate, judged) => {
    const packetBytesMax = new Map<string, number>();
    const goingOf = ofEachProcess(({ name }) =>
      newGoing(packetBytesMax.get(/^agent:([^.]+)/.exec(name)?.[1] ?? "")),
    );
    /** For so long what lost its tunnel may wait for the next one. */
    let awayMs = 0;
    let homes: readonly HomeSpec[] = [];
    return {
      begun: ({ scenario, serverLimits, agentLimits }) => {
        homes = scenario.homes;
        awayMs = serverLimits.graceMs + NOTICED_LATER_MS + agentLimits.helloMs + LATE_MS;
        for (const home of scenario.homes) packetBytesMax.set(home.clientId, home.packetBytes);
      },
      agentStep: (process, event, effects, count) => {
        const { name, nowMs } = process;
        if (homeOfLinks(homes, name) !== null) return;
        const going = goingOf(process);
        going.asked = null;
        const aborted = hear(going, event);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          const wrong = effect === undefined ? null : wrongWith(going, effect);
          if (wrong !== null) violate("safety", `${name} ${wrong} on ${event.type}`);
        }
        if (going.asked !== null && isAmong(effects, count, isComplaint)) leaveAside(going);
        if (event.type === "drain_requested" && going.greeted && isAmong(effects, count, isAbort))
          violate("safety", `${name} was asked to stop and does not finish what runs`);
        if (count > 0) judged();
        if (going.sockets.size > 0) going.lostMs = nowMs;
        const mayWait = going.native && (event.type !== "tick" || nowMs - going.lostMs < awayMs);
        if (going.sockets.size === 0 && going.origins.size > 0 && !mayWait)
          violate(
            "safety",
            `${name} lost its tunnel on ${event.type} and lets ${going.origins.size} requests run`,
          );
        if (aborted && !isAmong(effects, count, isAbort))
          violate("safety", `${name} was told to abort and let its home work on`);
      },
    };
  },
};

function newGoing(packetBytesMax = Number.POSITIVE_INFINITY): Going {
  return {
    packetBytesMax,
    sockets: new Map(),
    older: new Set(),
    natives: new Set(),
    origins: new Set(),
    responses: new Map(),
    lastSocket: 0,
    asked: null,
    drains: false,
    native: false,
    greeted: false,
    lostMs: 0,
  };
}

/** Whether one of the first `count` is such; what is behind them is of an earlier step. */
function isAmong(
  effects: readonly (AgentEffect | undefined)[],
  count: number,
  isSuch: (effect: AgentEffect | undefined) => boolean,
): boolean {
  for (let index = 0; index < count; index++) if (isSuch(effects[index])) return true;
  return false;
}

function isAbort(effect: AgentEffect | undefined): boolean {
  return effect?.type === "origin_abort";
}

function isComplaint(effect: AgentEffect | undefined): boolean {
  return effect?.type === "report" && effect.report.type === "server_protocol_error";
}

/** What was asked in this step is nothing that it answers, or answers any more. */
function leaveAside({ asked, responses }: Going): void {
  if (asked !== null) responses.set(asked, 0);
}

/** Whether it was told to abort something that runs. */
function hear(going: Going, event: AgentEvent): boolean {
  switch (event.type) {
    case "drain_requested":
      going.drains = true;
      return false;
    case "socket_opened":
      if (going.sockets.has(event.socket)) going.sockets.set(event.socket, "open");
      going.native = event.protocol !== null;
      if (going.native) going.natives.add(event.socket);
      going.greeted = !going.native;
      return false;
    case "socket_bytes":
      hearBytes(going, event.socket, event.bytes);
      return false;
    case "socket_refused":
    case "socket_closed":
      if (going.sockets.has(event.socket)) leave(going, event.socket);
      return false;
    case "origin_ended":
    case "origin_failed":
      going.origins.delete(event.exchange);
      return false;
    case "socket_text":
      return going.sockets.has(event.socket) && hearText(going, event.text);
    default:
      return false;
  }
}

function hearBytes(going: Going, socket: number, bytes: Uint8Array): void {
  if (!going.sockets.has(socket) || going.older.has(socket)) return;
  if (going.greeted && bytes[0] === KIND.drain && going.natives.has(socket) && !going.drains) {
    going.older.add(socket);
    going.greeted = false;
  } else going.greeted = true;
}

/** The socket is gone; what it had is, too. */
function leave(going: Going, socket: number): void {
  going.sockets.delete(socket);
  going.natives.delete(socket);
  if (going.older.delete(socket)) return;
  going.responses.clear();
  going.greeted = false;
}

function hearText(going: Going, text: string): boolean {
  const { responses, origins } = going;
  const frame = /^\{"type":"(HTTP|ABORT)","request_id":(\d+)/.exec(text);
  if (frame === null) return false;
  const requestId = Number(frame[2]);
  if (frame[1] === "HTTP") {
    // One that is over may be asked for again; one that runs is left alone.
    if ((responses.get(requestId) ?? 0) === 0) {
      going.asked = requestId;
      responses.set(requestId, 1);
    }
    return false;
  }
  if (!responses.has(requestId)) return false;
  const isRunning = (responses.get(requestId) ?? 0) > 0 && origins.size > 0;
  responses.set(requestId, 0);
  return isRunning;
}

function wrongWith(going: Going, effect: AgentEffect): string | null {
  const { sockets, origins } = going;
  switch (effect.type) {
    case "socket_connect":
      if (effect.socket <= going.lastSocket || sockets.size > going.older.size)
        return `opens socket ${effect.socket} beside others`;
      going.lastSocket = effect.socket;
      sockets.set(effect.socket, "connecting");
      return null;
    case "socket_terminate":
      if (!sockets.has(effect.socket)) return `cuts socket ${effect.socket}, which is not there`;
      leave(going, effect.socket);
      return null;
    case "socket_send_text":
    case "socket_ping":
    case "socket_close":
    case "socket_send_packet":
      if (sockets.get(effect.socket) !== "open") return `orders ${effect.type} for a socket that is not open`;
      // A server that breaks the protocol is left at once.
      if (
        effect.type === "socket_close" &&
        (effect.code === PROTOCOL_ERROR || going.older.has(effect.socket))
      )
        leave(going, effect.socket);
      if (effect.type === "socket_send_packet")
        return going.natives.has(effect.socket) ? null : wrongPacket(going, effect);
      if (effect.type === "socket_send_text") sentText(going, effect.text);
      return null;
    case "origin_request":
      origins.add(effect.exchange);
      return going.drains ? `takes request ${effect.exchange} while it drains` : null;
    case "origin_abort":
      return origins.delete(effect.exchange) ? null : `aborts request ${effect.exchange}, which does not run`;
    case "origin_pause":
      return origins.has(effect.exchange) ? null : `paces request ${effect.exchange}, which does not run`;
    default:
      return null;
  }
}

function sentText({ responses }: Going, text: string): void {
  const requestId = /^\{"type":"ABORT","request_id":(\d+)/.exec(text)?.[1];
  if (requestId !== undefined) responses.set(Number(requestId), 0);
}

function wrongPacket(
  { responses, packetBytesMax }: Going,
  { header, body }: Extract<AgentEffect, { readonly type: "socket_send_packet" }>,
): string | null {
  const packet = seenPacket(header);
  if (packet === null) return "sends bytes that are no packet";
  const { requestId, packetId, last } = packet;
  const bytes = body.reduce((sum, part) => sum + part.length, header.length);
  if (bytes > packetBytesMax) return `sends a packet of ${bytes} bytes`;
  const next = responses.get(requestId);
  if (next === undefined) return `answers request ${requestId}, which nobody made`;
  if (next === 0) return `goes on with request ${requestId}, which is over`;
  if (next !== packetId) return `sends packet ${packetId} of request ${requestId} where ${next} is due`;
  responses.set(requestId, last ? 0 : next + 1);
  return null;
}
