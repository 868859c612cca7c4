/**
 * Any order of what visitors, an agent and the network do: both bodies of each exchange arrive byte by byte over however many
 * tunnels it takes, and nothing is left behind at either end.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countedBytes } from "../../../../core/session/state.ts";
import { NativeAgent, type NativeRequest, requestBody } from "../../../helpers/native-agent.ts";
import { bytesOf } from "../../../helpers/pair.ts";
import { TestServer } from "../../../helpers/test-server.ts";
import type { Visit } from "../../../helpers/test-visit.ts";

const step = fc.record({
  what: fc.constantFrom("upload", "end upload", "answer", "take", "credit", "lose", "deafen", "mute", "wait"),
  which: fc.integer({ min: 0, max: 2 }),
  bytes: fc.integer({ min: 1, max: 200_000 }),
});

/** One exchange from both ends, with what each has given so far. */
type Life = {
  readonly visit: Visit;
  readonly request: NativeRequest;
  readonly uploaded: Uint8Array[];
  readonly answered: Uint8Array[];
  isUploaded: boolean;
};

describe("any schedule of native exchanges", () => {
  it("keeps both bodies exact over any number of tunnels, and leaves nothing behind", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const server = new TestServer();
        const agent = new NativeAgent(server).connect();
        agent.takes = false;
        const lives = [0, 1, 2].map(() => begin(server, agent));
        for (const { what, which, bytes } of steps) {
          act(server, agent, lives[which] ?? expect.fail("there is no such exchange"), what, bytes);
        }
        agent.lose();
        agent.connect();
        agent.takes = true;
        for (const life of lives) finish(agent, life);
        expect(server.outcomes("completed")).toBe(3);
        server.advance(1_000);
        agent.run();
        expect(server.state.heldBytes + server.state.sessionBytes + agent.heldBytes).toBe(0);
        const { link } = server.state.sessions.get("home") ?? expect.fail("the session is gone");
        expect([countedBytes(link), link.streams.size]).toEqual([0, 0]);
        server.expectEmpty();
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});

function begin(server: TestServer, agent: NativeAgent): Life {
  const visit = server.visit({ method: "POST", streams: true, takes: false });
  return { visit, request: agent.request, uploaded: [], answered: [], isUploaded: false };
}

function act(server: TestServer, agent: NativeAgent, life: Life, what: string, bytes: number): void {
  const { visit, request } = life;
  switch (what) {
    case "upload":
      if (!life.isUploaded && !visit.isPaused) upload(life, bytes);
      return;
    case "end upload":
      if (!life.isUploaded) endUpload(life);
      return;
    case "answer":
      return answer(agent, life, bytes);
    case "take":
      return visit.take(Math.min(bytes, visit.unflushedBytes));
    case "credit":
      return agent.take(request);
    case "lose":
      agent.lose();
      agent.connect();
      return;
    case "deafen":
      agent.deaf = true;
      return;
    case "mute":
      agent.mute = true;
      return;
    case "wait":
      server.advance(Math.min(bytes, 100));
      return agent.run();
  }
}

function upload(life: Life, bytes: number): void {
  const body = bytesOf(bytes);
  life.uploaded.push(body);
  life.visit.sendBody(body);
}

function endUpload(life: Life): void {
  life.isUploaded = true;
  life.visit.endBody();
}

function answer(agent: NativeAgent, { request, answered }: Life, bytes: number): void {
  if (answered.length === 0) agent.head(200, [], request);
  const body = bytesOf(bytes);
  answered.push(body);
  agent.body(body, request);
}

function finish(agent: NativeAgent, life: Life): void {
  const { visit, request, uploaded, answered } = life;
  visit.takes = true;
  visit.take();
  agent.take(request);
  if (!life.isUploaded) {
    upload(life, 10);
    endUpload(life);
  }
  answer(agent, life, 10);
  agent.end([], request);
  expect(Buffer.compare(requestBody(request), Buffer.concat(uploaded)), "the upload is another").toBe(0);
  expect(request.isWhole).toBe(true);
  expect(Buffer.compare(visit.body, Buffer.concat(answered)), "the answer is another").toBe(0);
  expect(visit.end).toBe("clean");
}
