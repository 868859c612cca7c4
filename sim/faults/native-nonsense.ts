/** Frames that break the rules of the native protocol, or keep to them and make no sense. */
import type { Direction } from "../network/path.ts";
import { isNative } from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";
import { bytesFrame, type SocketFrame, textFrame } from "../wire/frame.ts";
import {
  alteredEntries,
  KIND,
  NATIVE_HEADER_BYTES,
  type NativeEntry,
  type NativeFrame,
  readNativeFrame,
  readRequestHead,
} from "../wire/native.ts";
import { type FaultKind, nothing } from "./fault.ts";
import { filter } from "./frames.ts";
import {
  CONTINUATIONS,
  GREETINGS,
  HEAD,
  LAST,
  OTHERS,
  type Other,
  REQUESTS,
  RESPONSES,
  UPGRADE_BYTES,
} from "./native-nonsense-list.ts";
import { drawPermille, repeat } from "./network.ts";

/** An exchange that no server ever opens. */
export const NOBODYS = 2 ** 40;
/** More exchanges than an agent takes that were not answered. */
const FLOOD = 300;
/** Far behind, by the lowest 32 bits of a number. */
const HALF_OF_NUMBERS = 2 ** 31;

/** What comes instead of a frame, or beside it; null leaves it alone. */
type Nonsense = (
  frame: SocketFrame,
  seen: NativeFrame,
  random: Random,
  direction: Direction,
) => readonly SocketFrame[] | null;

export const nativeNonsense: readonly FaultKind[] = [
  nonsense("native_nonsense_for_hello", "up", true, inGreeting),
  nonsense("native_nonsense_for_welcome", "down", true, inGreeting),
  nonsense("native_nonsense_for_resume_to_server", "up", true, inResume),
  nonsense("native_nonsense_for_resume_to_agent", "down", true, inResume),
  nonsense("native_nonsense_for_pieces_to_server", "up", false, inPiece),
  nonsense("native_nonsense_for_pieces_to_agent", "down", false, inPiece),
  nonsense("native_nonsense_beside_frames_to_server", "up", false, beside),
  nonsense("native_nonsense_beside_frames_to_agent", "down", false, beside),
  // Upgrades are few, so it lasts until there is one, and lets none pass.
  {
    ...nonsense("native_bytes_before_upgrade", "down", false, beforeUpgrade),
    lastsMs: [10_000, 40_000],
    draw: () => ({ permille: 1_000 }),
  },
  nonsense("native_frames_cut_to_server", "up", false, cutShort),
  nonsense("native_frames_cut_to_agent", "down", false, cutShort),
];

/** `reconnects`: what it is about comes at the beginning of a tunnel. */
function nonsense(name: string, direction: Direction, reconnects: boolean, act: Nonsense): FaultKind {
  return {
    name,
    target: "home",
    suits: isNative,
    lastsMs: [500, 8_000],
    draw: (random) => ({ permille: drawPermille(random), everyMs: random.between(400, 2_000) }),
    begin: (context) => {
      const { path } = context.site;
      const endTampering = context.scene.tamperWith(context.fault.target);
      const endFilter = filter(path.lane(direction), (frame) => {
        // What another fault has added is left alone, or many of them would add without end.
        const isOwn = frame.kind === "bytes" && frame.flushBytes > 0;
        const seen = isOwn ? readNativeFrame(frame.bytes) : null;
        if (seen === null || !context.random.chance(context.parameter("permille"), 1000)) return null;
        const frames = act(frame, seen, context.random, direction);
        if (frames !== null) context.fired();
        return frames;
      });
      const endCutting = reconnects ? repeat(context, () => path.cutAll(0, 0)) : nothing;
      return () => {
        endCutting();
        endFilter();
        endTampering();
      };
    },
  };
}

function inGreeting(
  frame: SocketFrame,
  { kind }: NativeFrame,
  random: Random,
): readonly SocketFrame[] | null {
  if (kind !== KIND.hello && kind !== KIND.welcome) return null;
  if (random.chance(1, 10)) return [textFrame("text", frame.flushBytes)];
  return [bytesFrame(random.pick(GREETINGS)(kind), frame.flushBytes)];
}

/** Where the sender stands is said wrongly: in no form at all, not for all exchanges, for too many, or too far on. */
function inResume(frame: SocketFrame, { kind }: NativeFrame, random: Random): readonly SocketFrame[] | null {
  if (kind !== KIND.resume) return null;
  const { bytes, flushBytes } = frame;
  switch (random.below(4)) {
    case 0:
      return [bytesFrame(bytes.subarray(0, bytes.length - random.below(8)), flushBytes)];
    case 1:
      return [bytesFrame(encoded(KIND.resume, 0, 0, 0, []), flushBytes)];
    case 2:
      return [
        bytesFrame(
          alteredEntries(bytes, ({ received }) => ({ received: received + 1_000 })),
          flushBytes,
        ),
      ];
    default:
      return [bytesFrame(alteredEntries(bytes, elsewhere(random)), flushBytes)];
  }
}

function inPiece(
  frame: SocketFrame,
  { kind, exchange, number }: NativeFrame,
  random: Random,
  direction: Direction,
): readonly SocketFrame[] | null {
  if (kind !== KIND.piece) return null;
  const first = direction === "up" ? RESPONSES : REQUESTS;
  const isInside = direction === "down" && number > 0 && random.chance(1, 2);
  const [flags, payload] = random.pick(isInside ? CONTINUATIONS : first);
  return [bytesFrame(encoded(KIND.piece, exchange, number, flags, payload), frame.flushBytes)];
}

function beforeUpgrade(
  frame: SocketFrame,
  { exchange, number, hasHead, headAt }: NativeFrame,
  random: Random,
): readonly SocketFrame[] | null {
  if (!hasHead || !readRequestHead(frame.bytes, headAt).upgrade) return null;
  const [flags, payload] = random.pick(UPGRADE_BYTES);
  return [frame, bytesFrame(encoded(KIND.piece, exchange, number + 1, flags, payload), 0)];
}

function beside(
  frame: SocketFrame,
  seen: NativeFrame,
  random: Random,
  direction: Direction,
): readonly SocketFrame[] | null {
  if (isOfBeginning(seen)) return null;
  if (random.chance(1, 30)) return [frame, textFrame("text", 0)];
  if (seen.kind === KIND.credit && random.chance(1, 3)) {
    return [frame, bytesFrame(alteredEntries(frame.bytes, elsewhere(random)), 0)];
  }
  if (direction === "down" && random.chance(1, 3)) {
    const count = random.chance(1, 20) ? FLOOD : 1;
    const first = NOBODYS + random.below(2 ** 20);
    const [flags, payload] = count === 1 ? random.pick(REQUESTS) : (REQUESTS[0] ?? [HEAD | LAST, []]);
    const asked = (index: number) => bytesFrame(encoded(KIND.piece, first + index, 0, flags, payload), 0);
    return [frame, ...Array.from({ length: count }, (_, index) => asked(index))];
  }
  return [frame, bytesFrame(otherFrame(random.pick(OTHERS), seen, random), 0)];
}

/** About exchanges that were opened a little later, or not yet. */
function elsewhere(random: Random): (entry: NativeEntry) => Partial<NativeEntry> {
  return ({ exchange }) => ({ exchange: exchange + random.skewed(1, 64) });
}

/** The connection keeps its messages whole, so what is cut is its sender's mistake. */
function cutShort(frame: SocketFrame, seen: NativeFrame, random: Random): readonly SocketFrame[] | null {
  if (isOfBeginning(seen)) return null;
  // Most often inside its sections; what follows them is a body, which may have any length.
  const most = Math.min(frame.bytes.length, NATIVE_HEADER_BYTES + 8 + seen.headBytes);
  return [bytesFrame(frame.bytes.subarray(0, random.below(most)), frame.flushBytes)];
}

/** Whether there is no tunnel yet, or none that goes on: then nothing else than that the greeting failed would be seen. */
function isOfBeginning({ kind }: NativeFrame): boolean {
  return kind === KIND.hello || kind === KIND.welcome || kind === KIND.resume;
}

function otherFrame(
  [kind, whose, flags, payload]: Other,
  { exchange, number }: NativeFrame,
  random: Random,
): Uint8Array {
  switch (whose) {
    case "this":
      return encoded(kind, exchange, number + random.pick([1, 1, 0, HALF_OF_NUMBERS]), flags, payload);
    // One that the server may have opened and not sent yet.
    case "next":
      return encoded(kind, exchange + random.skewed(1, 64), 0, flags, payload);
    case "other":
      return encoded(kind, NOBODYS, number + 1, flags, payload);
    case "none":
      return encoded(kind, 0, 0, flags, payload);
  }
}

export function encoded(
  kind: number,
  exchange: number,
  number: number,
  flags: number,
  payload: ArrayLike<number>,
): Uint8Array {
  const bytes = new Uint8Array(NATIVE_HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = kind;
  bytes[1] = flags;
  view.setUint16(2, Math.floor(exchange / 2 ** 32));
  view.setUint32(4, exchange % 2 ** 32);
  view.setUint32(8, number % 2 ** 32);
  bytes.set(payload, NATIVE_HEADER_BYTES);
  return bytes;
}
