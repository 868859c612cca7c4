import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ExchangeId } from "../../../../core/ids.ts";
import { sendBody, sendEnd } from "../../../../core/session/send.ts";
import type { Stream } from "../../../../core/session/state.ts";
import { bytesOf } from "../../../helpers/pair.ts";
import { all } from "../harness.ts";
import { NativeServer, sentTo } from "./harness.ts";

const BODY = bytesOf(700_000);

/** One exchange with what both ends have given so far: bytes of `BODY` from the start. */
type Run = {
  readonly stream: Stream;
  readonly exchange: ExchangeId;
  up: number;
  upEnded: boolean;
  headed: boolean;
  down: number;
  over: "ended" | "failed" | null;
  /** Whether the origin ended its answer before all of the request had come. */
  early: boolean;
};

type Move = { readonly kind: number; readonly pick: number; readonly size: number };

/** A schedule that is carried out as far as it makes sense. */
class Play {
  readonly server = new NativeServer();
  readonly runs: Run[] = [];
  #connected = true;

  constructor() {
    this.server.connect();
  }

  move({ kind, pick, size }: Move): void {
    const { server } = this;
    const { agent } = server;
    const live = this.runs.filter((run) => run.over === null);
    const run = live[pick % Math.max(1, live.length)];
    switch (kind) {
      case 0:
        if (this.#connected && live.length < 5) this.#begin(size % 2 === 0);
        return;
      case 1:
        if (run !== undefined && !run.upEnded) this.#upload(run, size);
        return;
      case 2:
        if (run !== undefined) agent.take(run.exchange);
        return;
      case 3:
      case 4:
        if (run !== undefined && !agent.origins.get(run.exchange)?.paused) this.#download(run, size);
        return;
      case 5:
        if (run?.upEnded && size % 4 === 0) this.finish(run);
        return;
      case 6:
        if (run !== undefined && size % 8 === 0) this.#fail(run);
        return;
      case 7:
        if (this.#connected) this.#cut(size);
        return;
      case 8:
        this.reconnect();
        return;
      case 9:
        if (run !== undefined) server.stalled.add(run.stream.id);
        return;
      case 10:
        server.unstallAll();
        return;
      default:
        if (this.#connected) server.advance(size % 40);
        else agent.advance(size % 40);
    }
  }

  reconnect(): void {
    if (this.#connected) return;
    this.#connected = true;
    this.server.connect(true);
  }

  finish(run: Run): void {
    run.early = sentTo(this.server.agent.effects, run.exchange).length < run.up;
    if (!run.headed) this.#download(run, 0);
    this.server.agent.end(run.exchange);
    this.#settle();
    run.over = "ended";
  }

  /** The rest of the request has come; the origin takes it. */
  completeUpload(run: Run): void {
    if (!run.upEnded) {
      sendEnd(this.server.session, run.stream, []);
      run.upEnded = true;
    }
    this.#settle();
    for (let rounds = 0; sentTo(this.server.agent.effects, run.exchange).length < run.up; rounds++) {
      expect(rounds, "an upload stands still").toBeLessThan(200);
      this.server.agent.take(run.exchange);
      this.#settle();
    }
  }

  #begin(whole: boolean): void {
    const { stream, exchange } = this.server.begin({ method: "PUT", body: whole ? new Uint8Array() : null });
    this.runs.push({
      stream,
      exchange,
      up: 0,
      upEnded: whole,
      headed: false,
      down: 0,
      over: null,
      early: false,
    });
  }

  #upload(run: Run, size: number): void {
    const end = Math.min(BODY.length, run.up + size);
    sendBody(this.server.session, run.stream, BODY.slice(run.up, end));
    run.up = end;
    if (size % 5 === 0) {
      sendEnd(this.server.session, run.stream, []);
      run.upEnded = true;
    }
    this.#settle();
  }

  #download(run: Run, size: number): void {
    const { agent } = this.server;
    if (!run.headed) agent.head(run.exchange);
    run.headed = true;
    const end = Math.min(BODY.length, run.down + size);
    if (end > run.down) agent.body(run.exchange, BODY.slice(run.down, end));
    run.down = end;
    this.#settle();
  }

  #fail(run: Run): void {
    this.server.agent.step({ type: "origin_failed", exchange: run.exchange, fault: "broken" });
    this.#settle();
    run.over = "failed";
  }

  /** With what both ends send in the last moment lost. */
  #cut(size: number): void {
    const { server } = this;
    const run = this.runs.find((each) => each.over === null);
    server.deaf = size % 2 === 0;
    if (run !== undefined && !server.agent.origins.get(run.exchange)?.paused) this.#download(run, size);
    server.lossy(() => {
      if (run === undefined || run.upEnded || size % 3 > 0) return;
      const end = Math.min(BODY.length, run.up + size);
      sendBody(server.session, run.stream, BODY.slice(run.up, end));
      run.up = end;
    });
    server.deaf = false;
    server.cut();
    this.#connected = false;
  }

  #settle(): void {
    if (this.#connected) this.server.settle();
  }
}

describe("any schedule of exchanges and cuts", () => {
  it("T01 T02 delivers every byte once, calls each origin once and leaves nothing behind", () => {
    const move = fc.record({
      kind: fc.constantFrom(0, 0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 6, 7, 7, 8, 8, 8, 9, 10, 11),
      pick: fc.nat(4),
      size: fc.oneof(fc.nat(50), fc.nat(150_000)),
    });
    fc.assert(
      fc.property(fc.array(move, { minLength: 20, maxLength: 60, size: "max" }), (moves) => {
        const play = new Play();
        const { server } = play;
        for (const each of moves) play.move(each);
        play.reconnect();
        server.unstallAll();
        for (const run of play.runs) {
          if (run.over !== null) {
            // A server would reset what goes on after its answer; here the visitor just comes to its end.
            if (!run.upEnded) sendEnd(server.session, run.stream, []);
            continue;
          }
          play.completeUpload(run);
          play.finish(run);
        }
        server.expectIdle();
        for (const run of play.runs) {
          const answer = server.answerOf(run.stream);
          const got = server.bodyOf(run.stream);
          if (run.over === "failed" && answer.head?.status === 502) continue;
          expect(Buffer.compare(got, BODY.subarray(0, got.length)), "a body is not the origin's").toBe(0);
          const sent = sentTo(server.agent.effects, run.exchange);
          expect(Buffer.compare(sent, BODY.subarray(0, sent.length)), "an upload is not the visitor's").toBe(
            0,
          );
          if (run.over === "ended") {
            expect(answer.ended, "an answer is not whole").toBe(true);
            expect(got).toHaveLength(run.down);
            if (!run.early) expect(sent).toHaveLength(run.up);
          } else {
            expect(answer, "a part looks like the whole").toMatchObject({
              ended: false,
              reset: "agent_gave_up",
            });
          }
        }
        const { counters } = server.agent.state;
        expect(all(server.agent.effects, "origin_request")).toHaveLength(play.runs.length);
        expect(counters.exchangesLost + counters.exchangesAborted).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
