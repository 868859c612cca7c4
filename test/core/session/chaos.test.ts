/** Random schedules of many exchanges with random cuts: nothing lost, nothing twice, nothing left over. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SocketId } from "../../../core/ids.ts";
import { below, createPrng, type Prng } from "../../../core/prng.ts";
import { consume } from "../../../core/session/credit.ts";
import { attachSession, detachSession } from "../../../core/session/life.ts";
import { onSessionFlushed, pumpDueMs } from "../../../core/session/pump.ts";
import {
  flushStream,
  resetStream,
  sendBody,
  sendEnd,
  sendHead,
  sendInterim,
} from "../../../core/session/send.ts";
import { countedBytes, heldBytes, type Stream } from "../../../core/session/state.ts";
import { createPair, give, open, type Pair, pattern, pumped, type Side } from "./pair.ts";

const LIMITS = {
  frameBytesMax: 16,
  windowBytes: 48,
  windowBytesMin: 8,
  windowBytesMax: 200,
  tunnelWindowBytes: 300,
  socketBytesMax: 120,
  queueBytesMax: 64,
  interimsMax: 2,
};

/** One direction of one exchange as its owner means it. */
type Plan = { readonly total: Uint8Array; at: number; ended: boolean };

type World = {
  readonly pair: Pair;
  readonly prng: Prng;
  readonly up: Map<number, Plan>;
  readonly down: Map<number, Plan>;
  /** Bytes that an owner was given and has not passed on. */
  readonly owed: { side: Side; stream: Stream; bytes: number }[];
  readonly wires: { toAgent: Uint8Array[]; toServer: Uint8Array[] };
  /** Exchanges that an owner gave up. */
  readonly reset: Set<number>;
  attached: { server: boolean; agent: boolean };
  calm: boolean;
};

function play(seed: number, exchanges: number, steps: number): World {
  const pair = createPair(LIMITS);
  const world: World = {
    pair,
    prng: createPrng(seed),
    up: new Map(),
    down: new Map(),
    owed: [],
    wires: { toAgent: [], toServer: [] },
    reset: new Set(),
    attached: { server: true, agent: true },
    calm: false,
  };
  pair.agent.react = (received) => {
    if (received.type === "opened") {
      world.down.set(received.stream.id, { total: pattern(below(world.prng, 300), 5), at: 0, ended: false });
    }
    if (received.type === "opened" || received.type === "piece") owe(world, pair.agent, received);
  };
  pair.server.react = (received) => {
    if (received.type === "piece") owe(world, pair.server, received);
  };
  for (let id = 1; id <= exchanges; id++) {
    world.up.set(id, { total: pattern(below(world.prng, 200), 3), at: 0, ended: false });
  }
  for (let count = 0; count < steps; count++) act(world);
  world.calm = true;
  reattach(world);
  for (let count = 0; count < 20_000 && !isOver(world); count++) act(world);
  return world;
}

function owe(world: World, side: Side, piece: { readonly stream: Stream; readonly body: Uint8Array }): void {
  world.owed.push({ side, stream: piece.stream, bytes: piece.body.length });
}

function isOver(world: World): boolean {
  const { server, agent } = world.pair;
  return world.up.size === server.seen.size && server.session.streams.size + agent.session.streams.size === 0;
}

function act(world: World): void {
  const { pair, prng } = world;
  switch (below(prng, 12)) {
    case 0:
      return openNext(world);
    case 1:
    case 2:
      return sendUp(world);
    case 3:
    case 4:
      return sendDown(world);
    case 5:
      return payBack(world);
    case 6:
      if (!world.calm && below(prng, 40) === 0) giveUp(world);
      return;
    case 7:
      pair.nowMs += below(prng, 20);
      return;
    case 8:
      if (!world.calm && below(prng, 8) === 0) cut(world);
      return;
    case 9:
    case 10:
      return deliver(world, pair.agent, world.wires.toAgent);
    default:
      return deliver(world, pair.server, world.wires.toServer);
  }
}

function openNext(world: World): void {
  const id = world.pair.server.seen.size + 1;
  if (world.up.has(id)) open(world.pair, id);
}

function pick(world: World, plans: Map<number, Plan>): [number, Plan] | undefined {
  return [...plans][below(world.prng, plans.size + 1)];
}

function sendUp(world: World): void {
  const [id, plan] = pick(world, world.up) ?? [];
  const stream = world.pair.server.seen.get(id ?? 0)?.stream;
  if (plan === undefined || stream === undefined) return;
  advance(world, world.pair.server, stream, plan);
}

function sendDown(world: World): void {
  const [id, plan] = pick(world, world.down) ?? [];
  const stream = world.pair.agent.seen.get(id ?? 0)?.stream;
  if (plan === undefined || stream === undefined) return;
  const { session } = world.pair.agent;
  if (stream.phase === "open" && !stream.send.headed) {
    if (below(world.prng, 3) === 0) return sendInterim(session, stream, 103, []);
    sendHead(session, stream, 200, []);
  }
  advance(world, world.pair.agent, stream, plan);
}

function advance(world: World, side: Side, stream: Stream, plan: Plan): void {
  const bytes = below(world.prng, 40);
  if (plan.at < plan.total.length) {
    sendBody(side.session, stream, plan.total.subarray(plan.at, plan.at + bytes));
    plan.at = Math.min(plan.at + bytes, plan.total.length);
    if (below(world.prng, 2) === 0) flushStream(side.session, stream);
  } else if (!plan.ended) {
    plan.ended = true;
    sendEnd(side.session, stream, ["x-sum", String(plan.total.length)]);
  }
}

function payBack(world: World): void {
  const debt = world.owed[below(world.prng, world.owed.length + 1)];
  if (debt === undefined) return;
  const bytes = Math.min(debt.bytes, below(world.prng, 40));
  debt.bytes -= bytes;
  consume(debt.side.session, debt.stream, bytes);
  if (debt.bytes === 0) world.owed.splice(world.owed.indexOf(debt), 1);
}

function giveUp(world: World): void {
  const side = below(world.prng, 2) === 0 ? world.pair.server : world.pair.agent;
  const seen = [...side.seen.values()][below(world.prng, side.seen.size + 1)];
  if (seen === undefined) return;
  world.reset.add(seen.stream.id);
  resetStream(side.session, seen.stream, "gave_up");
}

/** Each end loses the socket at its own time; what was under way is lost, a part of it may still be read. */
function cut(world: World): void {
  if (below(world.prng, 2) === 0) return reattach(world);
  const { server, agent } = world.pair;
  if (below(world.prng, 2) === 0) {
    detachSession(server.session);
    world.attached.server = false;
  } else {
    detachSession(agent.session);
    world.attached.agent = false;
  }
}

function reattach(world: World): void {
  const { pair } = world;
  pair.sockets++;
  world.wires.toAgent.length = 0;
  world.wires.toServer.length = 0;
  for (const side of [pair.server, pair.agent]) attachSession(side.session, pair.sockets as SocketId, true);
  world.attached = { server: true, agent: true };
}

function deliver(world: World, to: Side, wire: Uint8Array[]): void {
  const { pair } = world;
  const from = to === pair.agent ? pair.server : pair.agent;
  wire.push(...pumped(from.session, pair.nowMs));
  const stays = to === pair.agent ? world.attached.agent : world.attached.server;
  const frame = wire.shift();
  if (frame === undefined) {
    const dueMs = pumpDueMs(from.session);
    if (world.calm && dueMs !== Number.POSITIVE_INFINITY) pair.nowMs = Math.max(pair.nowMs, dueMs);
    return;
  }
  if (from.session.socket !== null) onSessionFlushed(from.session, frame.length);
  if (stays) give(to, frame);
}

describe("two sessions under random schedules and cuts", () => {
  it("deliver each body exactly once, end every exchange at both ends, and hold nothing afterwards", () => {
    fc.assert(
      fc.property(
        fc.nat(2 ** 31),
        fc.integer({ min: 1, max: 6 }),
        fc.nat(1_500),
        (seed, exchanges, steps) => {
          const world = play(seed, exchanges, steps);
          const { server, agent } = world.pair;
          expect(server.session.streams.size + agent.session.streams.size).toBe(0);
          for (const side of [server, agent]) {
            expect(heldBytes(side.session)).toBe(0);
            expect(countedBytes(side.session)).toBe(0);
            expect(side.session.counters.stray).toBeLessThanOrEqual(world.reset.size * 4);
          }
          for (const [id, plan] of world.up) {
            const there = agent.seen.get(id);
            const here = server.seen.get(id);
            expect(there?.opened ?? 0).toBeLessThanOrEqual(1);
            expect((there?.forgotten ?? 0) + (here?.forgotten ?? 0)).toBe(0);
            const down = world.down.get(id);
            if (world.reset.has(id)) {
              expect((there?.resets.length ?? 0) + (here?.resets.length ?? 0)).toBeLessThanOrEqual(2);
              expect(there?.body ?? []).toEqual([...plan.total.subarray(0, there?.body.length ?? 0)]);
              expect(here?.body).toEqual([...(down?.total ?? []).slice(0, here?.body.length)]);
              continue;
            }
            expect(there).toMatchObject({
              opened: 1,
              ends: 1,
              trailers: ["x-sum", String(plan.total.length)],
            });
            expect(there?.body).toEqual([...plan.total]);
            expect(here).toMatchObject({ heads: [200], ends: 1 });
            expect(here?.body).toEqual([...(down?.total ?? [])]);
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
