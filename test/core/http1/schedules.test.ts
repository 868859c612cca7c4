import { expect, test } from "vitest";
import type { ExchangeId } from "../../../core/ids.ts";
import { below, createPrng, type Prng } from "../../../core/prng.ts";
import { type Run, start } from "./harness.ts";

const SCHEDULES = 2_000;
const STEPS = 120;

const UNASKED = ["late", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse"];

/** What an origin still has to say on a connection, in the pieces that it comes in, and whether it ends its side then. */
type Saying = { readonly pieces: string[]; readonly ends: boolean };

type Schedule = {
  readonly prng: Prng;
  readonly run: Run;
  readonly methods: Map<ExchangeId, string>;
  readonly aborted: Set<ExchangeId>;
  readonly sayings: Map<number, Saying>;
  /** Connections whose origin has ended its side. */
  readonly ended: Set<number>;
  /** How many of a connection's writes were answered. */
  readonly answered: Map<number, number>;
};

/**
 * Whatever comes in whatever order, as long as an origin that answers too late does so before it can have read the next
 * request: nothing else can be told from an answer.
 */
test("each exchange gets its own response or fails, once, and what is not safe is sent once", () => {
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    const schedule: Schedule = {
      prng: createPrng(seed),
      run: start({ basePaths: ["", ""], limits: { distrustMs: 100 } }),
      methods: new Map(),
      aborted: new Set(),
      sayings: new Map(),
      ended: new Set(),
      answered: new Map(),
    };
    try {
      for (let step = 0; step < STEPS; step++) act(schedule);
      schedule.run.close();
      check(schedule);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});

function act(schedule: Schedule): void {
  const { prng, run } = schedule;
  const choice = below(prng, 100);
  if (choice < 14) ask(schedule);
  else if (choice < 18) onExchange(schedule, (id) => run.pause(id, below(prng, 2) === 0));
  else if (choice < 19) onExchange(schedule, (id) => abort(schedule, id));
  else if (choice < 23) run.wait(below(prng, 500));
  else onConnection(schedule, choice);
}

function abort({ run, aborted }: Schedule, id: ExchangeId): void {
  aborted.add(id);
  run.abort(id);
}

function ask({ prng, run, methods }: Schedule): void {
  const method = ["GET", "GET", "HEAD", "POST", "PUT"][below(prng, 5)] ?? "GET";
  const body = method === "POST" ? Buffer.from("four") : null;
  const target = `/${methods.size + 1}`;
  methods.set(run.request({ origin: below(prng, 4) === 0 ? 1 : 0, method, target, body }), method);
}

function onExchange({ prng, methods }: Schedule, order: (id: ExchangeId) => void): void {
  if (methods.size > 0) order((1 + below(prng, methods.size)) as ExchangeId);
}

function onConnection(schedule: Schedule, choice: number): void {
  const { prng, run } = schedule;
  const open = run.connections.flatMap(({ closed, gone }, index) => (closed || gone ? [] : [index + 1]));
  const id = open[below(prng, Math.max(1, open.length))];
  if (id === undefined) return;
  if (choice < 26) run.opened(id);
  else if (choice < 55) flush(schedule, id);
  else if (choice < 92) say(schedule, id);
  else if (choice < 94) leave(schedule, id);
  else if (choice < 96) run.closed(id, below(prng, 2) === 0 ? "reset" : null);
  else if (isUnasked(schedule, id)) run.bytes(id, UNASKED[below(prng, UNASKED.length)] ?? "");
}

function flush({ prng, run }: Schedule, id: number): void {
  const { unflushedBytes } = run.connection(id);
  if (unflushedBytes === 0) return;
  run.flushed(id, below(prng, 4) > 0 ? unflushedBytes : 1 + below(prng, unflushedBytes));
}

/** The next piece of the answer to the request that was read last. */
function say(schedule: Schedule, id: number): void {
  const { prng, run, sayings, ended, answered } = schedule;
  if (ended.has(id)) return;
  const { writes, unflushedBytes } = run.connection(id);
  if (!sayings.has(id)) {
    if (unflushedBytes > 0 || answered.get(id) === writes.length) return;
    answered.set(id, writes.length);
    sayings.set(id, answer(prng, writes.at(-1) ?? ""));
  }
  const saying = sayings.get(id);
  const piece = saying?.pieces.shift();
  if (saying?.pieces.length === 0) sayings.delete(id);
  if (piece !== undefined) run.bytes(id, piece);
  if (saying?.pieces.length === 0 && saying.ends) end(schedule, id);
}

/** The origin leaves, but not within a body that ends with the connection: that would be whole. */
function leave(schedule: Schedule, id: number): void {
  if (schedule.sayings.get(id)?.ends !== true) end(schedule, id);
}

function end({ run, ended }: Schedule, id: number): void {
  const { closed, gone } = run.connection(id);
  if (ended.has(id) || closed || gone) return;
  ended.add(id);
  run.ended(id);
}

/** To a request, with its target as the body. */
function answer(prng: Prng, request: string): Saying {
  const [, method, target = ""] = /^([A-Z]+) (\S+)/.exec(request) ?? [];
  const chunk = `${target.length.toString(16)}\r\n${target}\r\n0\r\n\r\n`;
  const [fields = "", body = ""] =
    [
      [`Content-Length: ${target.length}`, target],
      ["Transfer-Encoding: chunked", chunk],
      ["Connection: close", target],
    ][below(prng, 7) % 3] ?? [];
  const interim = below(prng, 4) === 0 ? "HTTP/1.1 103 Early Hints\r\n\r\n" : "";
  const surplus = below(prng, 20) === 0 ? "HTTP/1.1 200 OK\r\n\r\n" : "";
  const text = `${interim}HTTP/1.1 200 OK\r\n${fields}\r\n\r\n${method === "HEAD" ? "" : body}`;
  const at = below(prng, text.length);
  const ends = fields === "Connection: close";
  return { pieces: [text.slice(0, at), `${text.slice(at)}${ends ? "" : surplus}`], ends };
}

/** Whether what comes now answers nothing that the origin can have read. */
function isUnasked({ run, sayings, ended, answered }: Schedule, id: number): boolean {
  const { writes, unflushedBytes } = run.connection(id);
  const latest = writes.at(-1)?.length ?? 0;
  const isKept = (answered.get(id) ?? 0) > 0;
  return (
    isKept &&
    !sayings.has(id) &&
    !ended.has(id) &&
    (unflushedBytes === latest || answered.get(id) === writes.length)
  );
}

function check({ run, methods, aborted }: Schedule): void {
  for (const [id, method] of methods) {
    const facts = run.of(id);
    const lasts = facts.filter(({ type }) => type === "ended" || type === "failed");
    if (!aborted.has(id)) expect(lasts).toHaveLength(1);
    if (lasts.length > 0) expect(facts.at(-1)).toBe(lasts[0]);
    if (lasts[0]?.type === "ended") expect(run.body(id)).toBe(method === "HEAD" ? "" : `/${id}`);
    const sent = run.connections.flatMap(({ writes }) =>
      writes.filter((write) => write.startsWith(`${method} /${id} `)),
    );
    if (method === "POST" || method === "PUT") expect(sent).toHaveLength(1);
  }
}
