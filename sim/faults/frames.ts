/** Frames that are damaged, doubled or not what they should be, on their way out of an agent; and lost pings and pongs. */
import type { FilteredLink, Lane } from "../network/path.ts";
import type { Random } from "../tools/random.ts";
import { bytesFrame, type SocketFrame, textFrame, voidFrame } from "../wire/frame.ts";
import { altered, readSimPacket } from "../wire/packet.ts";
import type { FaultKind } from "./fault.ts";
import { drawPermille } from "./network.ts";

/** Larger than any server takes in a run. Never read, so that all may share it. */
const OVERSIZED = new Uint8Array(20 * 1024 * 1024);

export const frameFaults: readonly FaultKind[] = [
  frameFault("frame_truncated", true, (frame, random) => [
    bytesFrame(frame.bytes.subarray(0, random.below(Math.min(frame.bytes.length, 40))), frame.flushBytes),
  ]),
  frameFault("frame_corrupted", true, (frame, random) => [
    bytesFrame(corrupted(frame.bytes, random), frame.flushBytes),
  ]),
  frameFault("frame_duplicated", false, (frame) => [frame, bytesFrame(frame.bytes.slice(), 0)]),
  frameFault("frame_oversized", false, (frame) => [frame, bytesFrame(OVERSIZED, 0)]),
  frameFault("frame_of_wrong_kind", true, (frame) => [
    textFrame(String.fromCharCode(...frame.bytes.subarray(0, 200)), frame.flushBytes),
  ]),
  frameFault("frame_of_garbage", false, (frame, random) => [frame, garbage(frame, random)]),
  lostControl("pong_lost", "up", "pong"),
  lostControl("ping_lost", "up", "ping"),
  lostControl("servers_ping_lost", "down", "ping"),
  lostControl("servers_pong_lost", "down", "pong"),
];

const GARBAGE_TEXTS = [
  "",
  "null",
  "[]",
  "{",
  '{"request_id":-1}',
  '{"request_id":1e400,"body":{}}',
  '{"request_id":18446744073709551615,"body":1}',
  '{"type":"ABORT"}',
  '{"type":"ABORT","request_id":"x"}',
  "TUNNEL_RESPONSE:",
  "TUNNEL_RESPONSE:7",
  "TUNNEL_RESPONSE:1|1|1",
  "TUNNEL_RESPONSE:1|1|1200|{}|@@@",
  "TUNNEL_RESPONSE:99999999999999999999999|1|0",
  '{"request_id":0,"body":{"a":1},"to_connection_ids":["x"]}',
  '{"request_id":0,"body":{"a":1},"to_connection_ids":5}',
  `{"request_id":0,"body":{"a":1},"to_connection_ids":[${"1,".repeat(100_000)}1]}`,
  '{"request_id":0}',
  '{"request_id":18446744073709551616,"body":1}',
  '{"request_id":7,"body":"unfinished}',
  '{"request\\u005fid":7,"body":"\\"\\\\"}',
  '{"type":"ABORT","request_id":18446744073709551615}',
  "TUNNEL_RESPONSE:18446744073709551616|1|1",
  "TUNNEL_RESPONSE:18446744073709551615|7|0",
];

/** Text packets of a live exchange in which one thing is wrong: it ends, and no other is touched. */
const BROKEN_PACKETS = [
  "|0|0",
  "|4294967296|0",
  "|7|0@@@",
  "|7|0@@@@",
  "|7|0AB==",
  "|7|0\u00e9AAA",
  "|1|1200",
  "|1|1099{}",
  "|1|1200[1]",
  '|1|1200{"a":1}',
  '|1|1200{"a b":"c"}',
  '|1|1200{"a":"b"}@',
  `|1|1200{"a":"${"b".repeat(70_000)}"}`,
];

function garbage(frame: SocketFrame, random: Random): SocketFrame {
  const packet = readSimPacket(frame.bytes);
  switch (random.below(5)) {
    case 0:
      return bytesFrame(random.bytes(random.below(60)), 0);
    case 1:
    case 2:
      if (packet !== null)
        return textFrame(`TUNNEL_RESPONSE:${packet.requestId}${random.pick(BROKEN_PACKETS)}`, 0);
      break;
    case 3:
      if (packet !== null) return bytesFrame(altered(frame.bytes, { packetId: 0 }), 0);
      break;
    default:
  }
  return textFrame(random.pick(GARBAGE_TEXTS), 0);
}

/** Acts on a share of the binary frames that an agent sends; `tampers` where it may change what a visitor gets. */
function frameFault(
  name: string,
  tampers: boolean,
  alter: (frame: SocketFrame, random: Random) => readonly SocketFrame[],
): FaultKind {
  return {
    name,
    target: "home",
    lastsMs: [100, 8_000],
    draw: (random) => ({ permille: drawPermille(random) }),
    begin: (context) => {
      const permille = context.parameter("permille");
      const endTampering = tampers ? context.scene.tamperWith(context.fault.target) : () => {};
      const endFilter = filter(context.site.path.up, (frame) => {
        if (frame.kind !== "bytes" || !context.random.chance(permille, 1000)) return null;
        context.fired();
        return alter(frame, context.random);
      });
      return () => {
        endFilter();
        endTampering();
      };
    },
  };
}

function lostControl(name: string, direction: "up" | "down", kind: "ping" | "pong"): FaultKind {
  return {
    name,
    target: "home",
    lastsMs: [1_000, 20_000],
    draw: (random) => ({ permille: drawPermille(random) }),
    begin: (context) =>
      filter(context.site.path.lane(direction), (frame) => {
        if (frame.kind !== kind || !context.random.chance(context.parameter("permille"), 1000)) return null;
        context.fired();
        return [voidFrame(frame)];
      }),
  };
}

/** Installs a filter, and returns what takes it away. */
export function filter(
  lane: Lane,
  act: (frame: SocketFrame, link: FilteredLink) => readonly SocketFrame[] | null,
): () => void {
  lane.filters.add(act);
  return () => {
    lane.filters.delete(act);
  };
}

/** Most often a bit of the packet's header: bits of a body are nobody's to judge. */
function corrupted(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = bytes.slice();
  const place = random.below(random.chance(3, 4) ? Math.min(copy.length, 20) : copy.length);
  copy[place] = (copy[place] ?? 0) ^ (1 << random.below(8));
  return copy;
}
