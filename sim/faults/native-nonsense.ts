/** Frames that break the rules of the native protocol, or keep to them and make no sense. */
import { bytesFrame, type SocketFrame, textFrame } from "../frame.ts";
import { KIND, NATIVE_HEADER_BYTES, type NativeFrame, readNativeFrame } from "../native-wire.ts";
import type { Random } from "../random.ts";
import { isNative } from "../scenario.ts";
import { type FaultKind, nothing } from "./fault.ts";
import { filter } from "./frames.ts";
import { drawPermille } from "./network.ts";

const HEAD = 1;
const INTERIM = 2;
const LAST = 4;
const TRAILERS = 8;
/** An exchange that no server ever opens. */
const NOBODYS = 2 ** 40;

export const nativeNonsense: readonly FaultKind[] = [
  nonsense("native_nonsense_to_server", "up"),
  nonsense("native_nonsense_to_agent", "down"),
];

function nonsense(name: string, direction: "up" | "down"): FaultKind {
  return {
    name,
    target: "home",
    lastsMs: [500, 8_000],
    draw: (random) => ({ permille: drawPermille(random) }),
    begin: (context) => {
      if (!isNative(context.site.spec)) return nothing;
      const endTampering = context.scene.tamperWith(context.fault.target);
      const endFilter = filter(context.site.path.lane(direction), (frame) => {
        const seen = frame.kind === "bytes" ? readNativeFrame(frame.bytes) : null;
        if (seen === null || !context.random.chance(context.parameter("permille"), 1000)) return null;
        context.fired();
        return made(frame, seen, context.random, direction);
      });
      return () => {
        endFilter();
        endTampering();
      };
    },
  };
}

/** The frame and another one, or another one in its place. */
function made(
  frame: SocketFrame,
  seen: NativeFrame,
  random: Random,
  direction: "up" | "down",
): readonly SocketFrame[] {
  if (random.chance(1, 30)) return [frame, textFrame("text", 0)];
  if (seen.kind === KIND.hello || seen.kind === KIND.welcome) {
    return [bytesFrame(random.pick(GREETINGS)(seen.kind), frame.flushBytes)];
  }
  const { exchange, number } = seen;
  if (seen.kind === KIND.piece && random.chance(1, 2)) {
    const [flags, payload] = random.pick(direction === "up" ? RESPONSES : REQUESTS);
    return [bytesFrame(encoded(KIND.piece, exchange, number, flags, payload), frame.flushBytes)];
  }
  if (direction === "down" && random.chance(1, 3)) {
    const [flags, payload] = random.pick(REQUESTS);
    return [frame, bytesFrame(encoded(KIND.piece, NOBODYS + random.below(2 ** 20), 0, flags, payload), 0)];
  }
  const [kind, ofExchange, flags, payload] = random.pick(OTHERS);
  const whose = ofExchange === "this" ? exchange : ofExchange === "other" ? NOBODYS : 0;
  return [frame, bytesFrame(encoded(kind, whose, whose === 0 ? 0 : number + 1, flags, payload), 0)];
}

function encoded(
  kind: number,
  exchange: number,
  number: number,
  flags: number,
  payload: readonly number[],
): Uint8Array {
  const bytes = new Uint8Array(NATIVE_HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = kind;
  bytes[1] = flags;
  view.setUint16(2, Math.floor(exchange / 2 ** 32));
  view.setUint32(4, exchange % 2 ** 32);
  view.setUint32(8, number);
  bytes.set(payload, NATIVE_HEADER_BYTES);
  return bytes;
}

function text(value: string): number[] {
  return [value.length, ...value.split("").map((character) => character.charCodeAt(0))];
}

/** A section with its length before it. */
function section(...bytes: readonly number[]): number[] {
  return [0, 0, bytes.length >> 8, bytes.length & 0xff, ...bytes];
}

function fields(...list: readonly string[]): number[] {
  return [list.length / 2, ...list.flatMap(text)];
}

function response(status: number, ...list: readonly string[]): number[] {
  return section(status >> 8, status & 0xff, ...fields(...list));
}

function request(method: string, target: string, list: readonly string[], flags = 0): number[] {
  return section(
    flags,
    0,
    0,
    0,
    0,
    16,
    0,
    ...text(method),
    ...text(target),
    ...text("192.0.2.9"),
    ...fields(...list),
  );
}

const GREETINGS: readonly ((kind: number) => Uint8Array)[] = [
  () => new Uint8Array(3),
  (kind) => encoded(kind, 0, 0, 0, []),
  (kind) => encoded(kind, 1, 0, 0, [0x7b, 0x7d]),
  (kind) => encoded(kind, 0, 0, 0, [0x5b, 0x5d]),
  (kind) => encoded(kind, 0, 0, 0, [0x7b, 0x7d]),
  (kind) => encoded(kind, 0, 0, 0, [0xff, 0x7d]),
  (kind) => json(kind, '{"window":-1,"ticket":null}'),
  (kind) => json(kind, '{"window":1,"ticket":7}'),
  (kind) => json(kind, '{"window":1,"ticket":"short"}'),
  (kind) => json(kind, `{"ticket":"${"a".repeat(32)}","resumed":true,"graceMs":1}`),
  (kind) => json(kind, `{"ticket":"${"a".repeat(32)}","resumed":1,"graceMs":1}`),
  (kind) => json(kind, `{"ticket":"${"a".repeat(32)}","resumed":false,"graceMs":-1}`),
  () => encoded(KIND.ping, 0, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]),
];

function json(kind: number, value: string): Uint8Array {
  return encoded(kind, 0, 0, 0, [...Buffer.from(value)]);
}

type Piece = readonly [flags: number, payload: readonly number[]];

/** In the place of a piece of an answer, with the number that is due. */
const RESPONSES: readonly Piece[] = [
  [16, []],
  [0, []],
  [HEAD, [0, 0]],
  [HEAD, [0, 0, 1, 0, 5]],
  [LAST | TRAILERS, [0, 0]],
  [LAST | TRAILERS, section(1, 5, 65)],
  [TRAILERS, section(0)],
  [LAST | TRAILERS, section(...fields("x-a", "b"))],
  [LAST | TRAILERS, section(...fields("x a", "b"))],
  [HEAD, section(0)],
  [HEAD, section(0, 200)],
  [HEAD, section(0, 200, 0x80, 0x80, 0x80, 0x80)],
  [HEAD, section(0, 200, 200)],
  [HEAD, section(0, 200, 1, 9, 65)],
  [HEAD, section(0, 200, 0, 0)],
  [HEAD, response(42)],
  [HEAD, response(200, "bad name", "x")],
  [HEAD, response(200, "content-length", "12x")],
  [HEAD, response(101)],
  [HEAD | LAST, response(200, "content-length", "5")],
  [HEAD | LAST, response(204, "content-length", "5", "content-length", "5")],
  [HEAD | LAST, response(200, "content-length", "0", "content-length", "0")],
  [HEAD, response(200, "trailer", "x-a")],
  [HEAD | INTERIM, response(103)],
  [HEAD | INTERIM, response(200)],
  [HEAD | INTERIM, response(102, "bad name", "x")],
  [HEAD | INTERIM | LAST, response(103)],
  [INTERIM, [1]],
  [LAST, []],
];

/** As the beginning of a request, or in the place of a piece of one. */
const REQUESTS: readonly Piece[] = [
  [HEAD | LAST, request("GET", "/nobody", [])],
  [HEAD | LAST, request("CONNECT", "/nobody", [])],
  [HEAD | LAST, request("GET", "http://elsewhere/", [])],
  [HEAD | LAST, request("OPTIONS", "*", [])],
  [HEAD | LAST, request("GET", "/nobody", ["bad name", "x"])],
  [HEAD | LAST, request("POST", "/nobody", ["content-length", "x"])],
  [HEAD | LAST, request("POST", "/nobody", ["content-length", "3"])],
  [HEAD, [...request("POST", "/nobody", ["content-length", "1"]), 1, 2, 3]],
  [HEAD | LAST, request("GET", "/nobody", [], 1)],
  [HEAD | LAST, request("GET", "/nobody", [], 2)],
  [HEAD, request("GET", "/nobody", ["upgrade", "websocket", "connection", "upgrade"], 1)],
  [HEAD | LAST | TRAILERS, [...request("POST", "/nobody", []), ...section(9)]],
  [HEAD | LAST | TRAILERS, [...request("POST", "/nobody", []), ...section(...fields("x-a", "b"))]],
  [HEAD | LAST, section(0, 0, 0)],
  [LAST, []],
  [0, [1, 2, 3]],
  [HEAD | INTERIM, request("GET", "/nobody", [])],
];

type Other = readonly [
  kind: number,
  exchange: "this" | "other" | "none",
  flags: number,
  payload: readonly number[],
];

const PING = [1, 2, 3, 4, 5, 6, 7, 8];

/** Beside a frame. */
const OTHERS: readonly Other[] = [
  [42, "none", 0, []],
  [KIND.piece, "none", LAST, []],
  [KIND.piece, "other", LAST, []],
  [KIND.reset, "none", 0, text("ended").slice(1)],
  [KIND.reset, "other", 0, text("ended").slice(1)],
  [KIND.reset, "this", 0, text("forgotten").slice(1)],
  [KIND.reset, "this", 0, text("origin_timeout").slice(1)],
  [KIND.reset, "this", 0, text("Not a code").slice(1)],
  [KIND.reset, "this", 0, []],
  [KIND.reset, "this", 1, text("ended").slice(1)],
  [KIND.credit, "none", 0, []],
  [KIND.credit, "none", 0, [1, 2, 3]],
  [KIND.credit, "this", 0, []],
  [KIND.credit, "none", 0, [0, 0, 0, 0, 0, 1, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0]],
  [KIND.resume, "none", 0, []],
  [KIND.drain, "none", 0, [1]],
  [KIND.ping, "none", 0, PING],
  [KIND.ping, "none", 0, [1]],
  [KIND.pong, "none", 0, PING],
  [KIND.pong, "none", 0, [1]],
];
