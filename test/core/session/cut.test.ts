/**
 * A small exchange, recorded frame by frame, loses its wire after each number of frames in each direction, independently, and the replay
 * is cut at each place again. A frame that is cut in its bytes never becomes a message, so that it is a lost frame: these are all
 * bytes at which a wire can be cut.
 */
import { describe, expect, it } from "vitest";
import {
  flushStream,
  resetStream,
  sendBody,
  sendEnd,
  sendHead,
  sendInterim,
} from "../../../core/session/send.ts";
import { countedBytes, heldBytes } from "../../../core/session/state.ts";
import { attach, consumeAll, createPair, detach, open, type Pair, pattern, REQUEST, run } from "./pair.ts";

const TINY = { frameBytesMax: 64, windowBytes: 40, windowBytesMin: 8, windowBytesMax: 80 };
const UP = pattern(60, 1);
const DOWN = pattern(90, 2);

type Scenario = { begin: (pair: Pair) => void; verify: (pair: Pair) => void };

/** Visits every pair of cuts of a run, and for each every pair of cuts of the replay. */
function cutEverywhere(scenario: Scenario): number {
  let runs = 0;
  const first = frames(() => scenario.begin, []);
  for (const one of cutsOf(first)) {
    const replay = frames(() => scenario.begin, [one]);
    for (const two of cutsOf(replay)) {
      const pair = play(scenario.begin, [one, two]);
      try {
        scenario.verify(pair);
        expect(pair.server.session.streams.size).toBe(0);
        expect(pair.agent.session.streams.size).toBe(0);
        expect(heldBytes(pair.server.session) + heldBytes(pair.agent.session)).toBe(0);
        expect(countedBytes(pair.server.session) + countedBytes(pair.agent.session)).toBe(0);
      } catch (error) {
        throw new Error(`cut at ${one} and at ${two}: ${String(error)}`);
      }
      runs++;
    }
  }
  return runs;
}

/** How many frames go each way in the last connection of a run with these cuts. */
function frames(begin: () => Scenario["begin"], cuts: [number, number][]): [number, number] {
  const pair = play(begin(), cuts);
  return [pair.doneToAgent, pair.doneToServer];
}

function cutsOf([down, up]: [number, number]): [number, number][] {
  const cuts: [number, number][] = [];
  for (let a = 0; a <= down; a++) for (let b = 0; b <= up; b++) cuts.push([a, b]);
  return cuts;
}

function play(begin: Scenario["begin"], cuts: [number, number][]): Pair {
  const pair = createPair(TINY);
  pair.server.react = (received) => consumeAll(pair.server, received);
  begin(pair);
  for (const [down, up] of cuts) {
    pair.cutToAgent = down;
    pair.cutToServer = up;
    run(pair);
    detach(pair);
    attach(pair, true);
  }
  pair.cutToAgent = Number.POSITIVE_INFINITY;
  pair.cutToServer = Number.POSITIVE_INFINITY;
  run(pair);
  return pair;
}

function upload(pair: Pair): void {
  const stream = open(pair, 1);
  const { session } = pair.server;
  for (let at = 0; at < UP.length; at += 20) sendBody(session, stream, UP.subarray(at, at + 20));
  sendEnd(session, stream, ["x-sum", "1"]);
}

describe("a cut at every place, and again at every place of the replay", () => {
  it("T01 T02 leaves a request with body, interim, response in pieces and trailers exact and delivered once", () => {
    const runs = cutEverywhere({
      begin: (pair) => {
        const { session } = pair.agent;
        pair.agent.react = (received) => {
          consumeAll(pair.agent, received);
          if (received.type === "opened") sendInterim(session, received.stream, 103, ["link", "</a>"]);
          if ((received.type !== "opened" && received.type !== "piece") || !received.last) return;
          sendHead(session, received.stream, 200, ["x-b", "2"]);
          flushStream(session, received.stream);
          for (let at = 0; at < DOWN.length; at += 45) {
            sendBody(session, received.stream, DOWN.subarray(at, at + 45));
            flushStream(session, received.stream);
          }
          sendEnd(session, received.stream, ["x-end", "3"]);
        };
        upload(pair);
      },
      verify: (pair) => {
        const at = pair.agent.seen.get(1);
        expect(at).toMatchObject({ opened: 1, ends: 1, trailers: ["x-sum", "1"], resets: [], forgotten: 0 });
        expect(at?.headers).toEqual(REQUEST.headers);
        expect(at?.body).toEqual([...UP]);
        const back = pair.server.seen.get(1);
        expect(back).toMatchObject({ interims: [103], heads: [200], ends: 1, resets: [], forgotten: 0 });
        expect(back).toMatchObject({ headers: ["x-b", "2"], trailers: ["x-end", "3"] });
        expect(back?.body).toEqual([...DOWN]);
      },
    });
    expect(runs).toBeGreaterThan(1_000);
  });

  it("T24 ends an exchange that the server resets once at the agent", () => {
    const runs = cutEverywhere({
      begin: (pair) => {
        pair.agent.react = (received) => {
          consumeAll(pair.agent, received);
          if (received.type !== "opened") return;
          sendHead(pair.agent.session, received.stream, 200, []);
          sendBody(pair.agent.session, received.stream, DOWN);
          flushStream(pair.agent.session, received.stream);
        };
        pair.server.react = (received) => {
          consumeAll(pair.server, received);
          if (received.type === "piece") resetStream(pair.server.session, received.stream, "visitor_left");
        };
        upload(pair);
      },
      verify: (pair) => {
        expect(pair.agent.seen.get(1)).toMatchObject({ opened: 1, resets: ["visitor_left"], forgotten: 0 });
        expect(pair.server.seen.get(1)).toMatchObject({ heads: [200], resets: [], forgotten: 0 });
      },
    });
    expect(runs).toBeGreaterThan(300);
  });

  it("T24 ends an exchange that the agent resets once at the server", () => {
    const runs = cutEverywhere({
      begin: (pair) => {
        const { session } = pair.agent;
        pair.agent.react = (received) => {
          consumeAll(pair.agent, received);
          if (received.type === "piece") resetStream(session, received.stream, "agent_gave_up");
          if (received.type !== "opened") return;
          sendHead(session, received.stream, 200, []);
          sendBody(session, received.stream, DOWN.subarray(0, 30));
          flushStream(session, received.stream);
        };
        upload(pair);
      },
      verify: (pair) => {
        expect(pair.agent.seen.get(1)).toMatchObject({ opened: 1, resets: [], forgotten: 0 });
        expect(pair.server.seen.get(1)).toMatchObject({ ends: 0, resets: ["agent_gave_up"], forgotten: 0 });
      },
    });
    expect(runs).toBeGreaterThan(300);
  });
});
