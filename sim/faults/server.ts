/** Servers that do not keep to the protocol, as an agent sees it, and what stands between an agent and its server. */
import { ASKED_FOR } from "../actors/dial.ts";
import { isNative } from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";
import { bytesFrame, type SocketFrame, textFrame } from "../wire/frame.ts";
import { type FaultKind, nothing } from "./fault.ts";
import { filter } from "./frames.ts";
import { drawPermille } from "./network.ts";

/** Of them many are nonsense, some would be requests but for one thing, and a few can be answered. */
const NONSENSE = [
  "",
  "null",
  "[]",
  "{",
  '{"type":"HTTP"}',
  '{"type":"HTTP","request_id":-1}',
  '{"type":"NEWS","request_id":#}',
  '{"request_id":#,"type":7}',
  '{"type":"ABORT","request_id":18446744073709551615}',
  '{"type":"HTTP","request_id":#,"path":"a","query":{}}',
  '{"type":"HTTP","request_id":#,"method":"GET","query":{}}',
  '{"type":"HTTP","request_id":#,"method":"GET","path":"a","profile":5}',
  '{"type":"HTTP","request_id":#,"method":"GET","path":"a","query":5}',
  '{"type":"HTTP","request_id":#,"method":"GET","path":"a","query":{"b":1}}',
  '{"type":"HTTP","request_id":#,"method":"GET","path":"a","headers":5}',
  '{"type":"HTTP","request_id":#,"method":"GET","path":"a","headers":{"bad name":"x"}}',
  '{"type":"HTTP","request_id":#,"method":"GET","path":"a b"}',
  '{"type":"HTTP","request_id":#,"method":"G T","path":"a"}',
  '{"type":"HTTP","request_id":#,"method":"CONNECT","path":"a"}',
  '{"type":"HTTP","request_id":#,"method":"GET","path":"a","profile":"two\\nlines"}',
  '{"type":"HTTP","request_id":#,"method":"GET","path":"a","query":{"b":"\\ud800"}}',
  '{"type":"HTTP","request_id":#,"method":"GET","path":"nobody","headers":{"accept":5}}',
  '{"type":"HTTP","request_id":18446744073709551615,"method":"GET","path":"nobody","query":null}',
  '{"type":"HTTP","request_id":18446744073709551615,"method":"CONNECT","path":"a","headers":{"accept":"text/html"}}',
  '{"type":"WS","request_id":#,"body":{}}',
  '{"type":"WS","request_id":#,"conn_id":6}',
  '{"type":"WS","request_id":#,"conn_id":6,"body":{},"profile":5}',
  '{"type":"WS","request_id":0,"conn_id":6,"body":{}}',
  '{"type":"WS","request_id":#,"conn_id":6,"body":"\\u00e9"}',
];

export const serverFaults: readonly FaultKind[] = [
  downFault("server_talks_nonsense", (frame, random) => [
    frame,
    ...Array.from({ length: random.between(1, 4) }, () =>
      random.chance(1, 10) ? bytesFrame(new Uint8Array(20), 0) : textFrame(nonsense(random), 0),
    ),
  ]),
  // Nothing but a GET: where the first was answered at once, nobody can know the second for what it is.
  downFault("server_asks_twice", (frame) =>
    frame.text.startsWith('{"type":"HTTP"') && frame.text.includes('"method":"GET"')
      ? [frame, textFrame(frame.text, 0)]
      : null,
  ),
  {
    name: "portal_answers",
    target: "home",
    lastsMs: [200, 10_000],
    draw: (random) => ({ which: random.below(PORTALS.length), restarts: random.below(2) }),
    begin: (context) => {
      const { path, agent } = context.site;
      const portal = PORTALS[context.parameter("which")];
      if (portal === undefined) return nothing;
      path.portals.set(portal, () => context.fired());
      // An agent that was started just now has to ask for its token first.
      if (context.parameter("restarts") === 1 && agent.running) {
        agent.crash("process");
        agent.boot();
      }
      for (const connection of path.connections) connection.cut({ near: 0, far: 0 });
      return () => {
        path.portals.delete(portal);
      };
    },
  },
];

/** With an id that no request has. */
function nonsense(random: Random): string {
  return random.pick(NONSENSE).replace("#", String(random.below(2 ** 32)));
}

/** What hotels and proxies say in place of a server. */
const PORTALS = [
  { status: 200, body: "<html>Accept our terms</html>" },
  { status: 200, body: "[]" },
  { status: 200, body: "{}" },
  { status: 200, body: '{"token":5}' },
  { status: 200, body: '{"token":""}' },
  { status: 200, body: '{"token":"two\\nlines"}' },
  { status: 302, body: "" },
  { status: 503, body: '{"detail":5}' },
  { status: 503, body: '{"detail":"\\u0000"}' },
  { status: 503, body: '{"detail":"Come back later."}' },
  { status: 502, body: "Bad Gateway" },
  { status: 502, body: `{"detail":"Nobody knows ${ASKED_FOR} here."}` },
  { status: 400, body: "Bad Request" },
];

/** Acts on a share of the texts that a server sends to our own agent, for a model agent believes all that it is told. */
function downFault(
  name: string,
  alter: (frame: SocketFrame, random: Random) => readonly SocketFrame[] | null,
): FaultKind {
  return {
    name,
    target: "home",
    suits: (home) => home.agent === "culvert" && !isNative(home),
    lastsMs: [500, 8_000],
    draw: (random) => ({ permille: drawPermille(random) }),
    begin: (context) =>
      filter(context.site.path.down, (frame) => {
        // Nor on the nonsense of another fault, which has nothing that its sender waits for: thirty of them would never end.
        if (frame.kind !== "text" || frame.flushBytes === 0) return null;
        if (!context.random.chance(context.parameter("permille"), 1000)) return null;
        const frames = alter(frame, context.random);
        if (frames !== null) context.fired();
        return frames;
      }),
  };
}
