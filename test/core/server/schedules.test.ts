/** Random schedules of a few exchanges on one tunnel, held against the obvious model: the bytes of each home's answer. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TestServer } from "../../helpers/test-server.ts";
import type { TestSocket } from "../../helpers/test-socket.ts";
import type { Visit } from "../../helpers/test-visit.ts";

type Packet = {
  readonly exchange: number;
  readonly packetId: number;
  readonly body: Uint8Array;
  readonly last: boolean;
};

type Step =
  | { readonly act: "deliver"; readonly pick: number }
  | { readonly act: "repeat"; readonly pick: number }
  | { readonly act: "take"; readonly exchange: number; readonly bytes: number }
  | { readonly act: "leave" | "give_up"; readonly exchange: number }
  | { readonly act: "cut" | "wait" };

type Schedule = {
  readonly answers: readonly {
    readonly bodies: readonly Uint8Array[];
    readonly blocking: boolean;
    readonly declares: boolean;
    readonly takes: boolean;
  }[];
  readonly smallerFirst: boolean;
  readonly steps: readonly Step[];
};

const exchangeIndex = fc.nat({ max: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ act: fc.constant("deliver" as const), pick: fc.nat() }) },
  { weight: 5, arbitrary: fc.record({ act: fc.constant("repeat" as const), pick: fc.nat() }) },
  {
    weight: 10,
    arbitrary: fc.record({
      act: fc.constant("take" as const),
      exchange: exchangeIndex,
      bytes: fc.nat({ max: 40 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constantFrom("leave" as const, "give_up" as const),
      exchange: exchangeIndex,
    }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("cut" as const) }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant("wait" as const) }) },
);

const schedule: fc.Arbitrary<Schedule> = fc.record({
  answers: fc.array(
    fc.record({
      bodies: fc.array(fc.uint8Array({ maxLength: 20 }), { minLength: 1, maxLength: 8 }),
      blocking: fc.boolean(),
      declares: fc.boolean(),
      takes: fc.boolean(),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  smallerFirst: fc.boolean(),
  steps: fc.array(step, { maxLength: 80 }),
});

/** Limits low enough that pauses and refusals happen as well. */
const LIMITS = {
  parkedPacketsMax: 6,
  parkedBytesMax: 60,
  heldBytesSoft: 40,
  heldBytesHard: 120,
  // A failed exchange's own answer is held as well, so the total leaves room for a few of those.
  heldBytesTotal: 2_000,
  responseBufferBytesMax: 100,
};

function run({ answers, smallerFirst, steps }: Schedule): void {
  const server = new TestServer(LIMITS);
  const tunnel = server.tunnel();
  const visits = answers.map(({ blocking, takes }) => server.visit({ blocking, takes }));
  const queue = queueOf(answers, smallerFirst);
  const sent: Packet[] = [];
  for (const each of steps) perform(server, tunnel, visits, queue, sent, answers, each);
  for (const packet of queue.splice(0)) send(tunnel, visits, packet, answers);
  for (const visit of visits) visit.take();
  for (const [index, visit] of visits.entries()) {
    const model = Buffer.concat(answers[index]?.bodies ?? []);
    expectTruth(visit, model);
  }
  server.expectEmpty();
}

function perform(
  server: TestServer,
  tunnel: TestSocket,
  visits: readonly Visit[],
  queue: Packet[],
  sent: Packet[],
  answers: Schedule["answers"],
  each: Step,
): void {
  switch (each.act) {
    case "deliver": {
      // Mostly in the queue's order, now and then from somewhere inside.
      const packet = queue.splice(each.pick % 4 === 0 ? each.pick % Math.max(1, queue.length) : 0, 1)[0];
      if (packet === undefined) return;
      sent.push(packet);
      return send(tunnel, visits, packet, answers);
    }
    case "repeat": {
      const packet = sent[each.pick % Math.max(1, sent.length)];
      return packet === undefined ? undefined : send(tunnel, visits, packet, answers);
    }
    case "take": {
      const visit = visits[each.exchange];
      return visit?.take(Math.min(each.bytes, visit.unflushedBytes));
    }
    case "leave":
      return visits[each.exchange]?.leave();
    case "give_up": {
      const visit = visits[each.exchange];
      if (visit !== undefined && tunnel.isOpen)
        tunnel.say(`{"type":"ABORT","request_id":${visit.requestId}}`);
      return;
    }
    case "cut":
      return tunnel.lose();
    case "wait":
      return server.idle(400);
  }
}

function send(
  tunnel: TestSocket,
  visits: readonly Visit[],
  packet: Packet,
  answers: Schedule["answers"],
): void {
  const visit = visits[packet.exchange];
  const answer = answers[packet.exchange];
  if (visit === undefined || answer === undefined || !tunnel.isOpen) return;
  const length = answer.bodies.reduce((bytes, body) => bytes + body.length, 0);
  const headers = answer.declares ? { "content-length": String(length) } : {};
  tunnel.send({ ...packet, requestId: visit.requestId, headers });
}

/** All packets of all answers, one of each in turn, as an agent's queue would send them. */
function queueOf(answers: Schedule["answers"], smallerFirst: boolean): Packet[] {
  const queue: Packet[] = [];
  for (let index = 0; index < 8; index++) {
    for (const [exchange, { bodies }] of answers.entries()) {
      const body = bodies[index];
      if (body === undefined) continue;
      queue.push({ exchange, packetId: index + 1, body, last: index === bodies.length - 1 });
    }
  }
  return smallerFirst ? queue.sort((a, b) => a.body.length - b.body.length) : queue;
}

/** What a visitor got is the answer, the beginning of it with a cut, or an error that says so. */
function expectTruth(visit: Visit, model: Buffer): void {
  if (visit.status === 0) {
    expect(visit.isClosed, "an exchange hangs").toBe(true);
  } else if (visit.status === 200) {
    const got = Buffer.from(visit.body);
    expect(Buffer.compare(got, model.subarray(0, got.length)), "other bytes than the answer's").toBe(0);
    if (visit.end === "clean") expect(got.length, "a part is taken for the whole").toBe(model.length);
    else expect(visit.end === "cut" || visit.isClosed, "an exchange hangs").toBe(true);
  } else {
    expect(["agent_lost", "agent_protocol", "agent_gave_up", "limit_response_buffer"]).toContain(visit.code);
  }
}

describe("any schedule", () => {
  it("delivers the answer, a part of it with a cut, or an error, and leaves nothing behind", () => {
    fc.assert(fc.property(schedule, run), { numRuns: 400 });
  });

  it("delivers every answer whole when nothing goes wrong but the order", () => {
    const orderly = schedule.map((drawn) => ({
      ...drawn,
      steps: drawn.steps.filter(({ act }) => act === "deliver" || act === "repeat" || act === "take"),
    }));
    fc.assert(
      fc.property(orderly, (drawn) => {
        const server = new TestServer();
        const tunnel = server.tunnel();
        const visits = drawn.answers.map(({ blocking, takes }) => server.visit({ blocking, takes }));
        const queue = queueOf(drawn.answers, drawn.smallerFirst);
        const sent: Packet[] = [];
        for (const each of drawn.steps) perform(server, tunnel, visits, queue, sent, drawn.answers, each);
        for (const packet of queue.splice(0)) send(tunnel, visits, packet, drawn.answers);
        for (const [index, visit] of visits.entries()) {
          visit.take();
          expect(visit.end).toBe("clean");
          expect(Buffer.compare(visit.body, Buffer.concat(drawn.answers[index]?.bodies ?? []))).toBe(0);
        }
        server.expectEmpty();
      }),
      { numRuns: 200 },
    );
  });
});
