/** Every phase of an exchange against every event: what it leads to is in one table, and nothing else may happen. */
import { describe, expect, it } from "vitest";
import { InvariantError } from "../../../../core/assert.ts";
import type { ServerEvent } from "../../../../core/events.ts";
import type { CallId, CertificateId, CheckId, ExchangeId } from "../../../../core/ids.ts";
import type { ExchangePhase } from "../../../../core/server/state/exchange.ts";
import { packetBytes } from "../../../helpers/packet-bytes.ts";
import { ACCESS_TOKEN, TestServer } from "../../../helpers/test-server.ts";
import type { TestSocket } from "../../../helpers/test-socket.ts";
import type { Visit } from "../../../helpers/test-visit.ts";
import { eventTypes, literals } from "../../../helpers/union-members.ts";

/** The phase that follows, the end, or `InvariantError` where `core/events.ts` makes the event misuse. */
type Cell = ExchangePhase | "gone" | "misuse";
type Scene = { readonly server: TestServer; readonly tunnel: TestSocket; readonly visit: Visit };

const MUCH_LATER_MS = 600_000;

const PHASES: Readonly<Record<ExchangePhase, () => Scene>> = {
  authorizing: () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    server.registry.mode = "holds";
    return { server, tunnel, visit: server.visit() };
  },
  issuing: () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    server.registry.mode = "holds";
    const target = "/auth/register-client?clientId=home";
    const headers = ["authorization", `Bearer ${ACCESS_TOKEN}`];
    return { server, tunnel, visit: server.open({ method: "POST", target, headers }) };
  },
  queued: () => {
    const server = new TestServer();
    server.tunnel().lose();
    return { server, tunnel: server.tunnel("other"), visit: server.visit() };
  },
  reading: () => scene({ method: "POST", body: "{}" }),
  waiting: () => scene(),
  responding: () => {
    const made = scene();
    made.tunnel.send({ requestId: made.visit.requestId, packetId: 1, body: "a" });
    made.visit.take();
    return made;
  },
  closing: () => {
    const made = scene({ method: "POST", body: "{}" });
    made.tunnel.lose();
    made.visit.endBody();
    made.visit.unflushedBytes = 0;
    const bytes = made.visit.body.length;
    made.server.dispatch({ type: "exchange_flushed", exchange: made.visit.id, bytes });
    return { ...made, tunnel: made.server.tunnel() };
  },
};

function scene(options: Parameters<TestServer["visit"]>[0] = {}): Scene {
  const server = new TestServer();
  const tunnel = server.tunnel();
  return { server, tunnel, visit: server.visit({ takes: false, ...options }) };
}

/** An event for the exchange or for what it depends on. */
type Act = (scene: Scene) => ServerEvent;

const EVENTS: Readonly<Record<string, { readonly type: ServerEvent["type"]; readonly act: Act }>> = {
  tick: { type: "tick", act: () => ({ type: "tick" }) },
  "a tick much later": {
    type: "tick",
    act: ({ server }) => {
      server.stall(MUCH_LATER_MS);
      return { type: "tick" };
    },
  },
  "opened again": {
    type: "exchange_opened",
    act: ({ server, visit }) =>
      server.state.exchanges.get(visit.id)?.request ?? expect.fail("it is not open"),
  },
  "a piece of its body": {
    type: "exchange_body",
    act: ({ visit }) => ({ type: "exchange_body", exchange: visit.id, bytes: new Uint8Array([0x31]) }),
  },
  "the end of its body": {
    type: "exchange_body_ended",
    act: ({ visit }) => ({ type: "exchange_body_ended", exchange: visit.id, trailers: [] }),
  },
  "a flush of what was never written": {
    type: "exchange_flushed",
    act: ({ visit }) => ({ type: "exchange_flushed", exchange: visit.id, bytes: 1 }),
  },
  "its visitor leaves": {
    type: "exchange_closed",
    act: ({ visit }) => ({ type: "exchange_closed", exchange: visit.id, complete: false }),
  },
  "its response went out": {
    type: "exchange_closed",
    act: ({ visit }) => ({ type: "exchange_closed", exchange: visit.id, complete: true }),
  },
  "a newer agent comes": {
    type: "upgrade_requested",
    act: ({ server }) => {
      server.tunnel("home", false);
      return { type: "tick" };
    },
  },
  "its tunnel opens again": {
    type: "socket_opened",
    act: ({ tunnel }) => ({ type: "socket_opened", socket: tunnel.id, nonce: new Uint8Array(16) }),
  },
  "its next packet, the last": {
    type: "socket_bytes",
    act: ({ server, tunnel, visit }) => {
      const carried = server.state.exchanges.get(visit.id)?.carried;
      const packetId = carried?.carrier === "moosicbox" ? carried.order.next : 1;
      const bytes = packetBytes({ requestId: visit.requestId, packetId, last: true, body: "z" });
      return { type: "socket_bytes", socket: tunnel.id, bytes };
    },
  },
  "its agent gives up": {
    type: "socket_text",
    act: ({ tunnel, visit }) => ({
      type: "socket_text",
      socket: tunnel.id,
      text: `{"type":"ABORT","request_id":${visit.requestId}}`,
    }),
  },
  "its tunnel shows a sign of life": {
    type: "socket_heard",
    act: ({ tunnel }) => ({ type: "socket_heard", socket: tunnel.id }),
  },
  "its tunnel has sent everything": {
    type: "socket_flushed",
    act: ({ tunnel }) => ({ type: "socket_flushed", socket: tunnel.id, bytes: 0 }),
  },
  "its tunnel is lost": {
    type: "socket_closed",
    act: ({ tunnel }) => ({ type: "socket_closed", socket: tunnel.id, code: 1006, reason: "" }),
  },
  "the registry answers well": {
    type: "registry_answered",
    act: ({ server }) => {
      const call = [...server.state.calls.keys()].at(-1) ?? (999 as CallId);
      const held = server.registry.held.at(-1)?.operation;
      return {
        type: "registry_answered",
        call,
        outcome: held === undefined ? { type: "swept" } : server.registry.carryOut(held),
      };
    },
  },
  "the registry refuses": {
    type: "registry_answered",
    act: ({ server }) => ({
      type: "registry_answered",
      call: [...server.state.calls.keys()].at(-1) ?? (999 as CallId),
      outcome: { type: "failed", fault: "refused" },
    }),
  },
  "a password was checked that nobody asked about": {
    type: "password_checked",
    act: () => ({ type: "password_checked", check: 1 as CheckId, result: "right" }),
  },
  "a proxy asks about a certificate": {
    type: "certificate_asked",
    act: () => ({ type: "certificate_asked", question: 1 as CertificateId, name: "example.com" }),
  },
  "a drain is requested": { type: "drain_requested", act: () => ({ type: "drain_requested" }) },
  "the visitors are gone": { type: "visitors_gone", act: () => ({ type: "visitors_gone" }) },
  "settings are read again": {
    type: "settings_changed",
    act: ({ server }) => ({ type: "settings_changed", settings: server.state.config }),
  },
};

const ORDER: readonly ExchangePhase[] = [
  "authorizing",
  "issuing",
  "queued",
  "reading",
  "waiting",
  "responding",
  "closing",
];

/** In the order of `ORDER`. */
const TABLE: Readonly<Record<keyof typeof EVENTS, readonly Cell[]>> = {
  tick: ["authorizing", "issuing", "queued", "reading", "waiting", "responding", "closing"],
  "a tick much later": ["closing", "closing", "closing", "closing", "closing", "closing", "closing"],
  "opened again": ["misuse", "misuse", "misuse", "misuse", "misuse", "misuse", "misuse"],
  "a piece of its body": ["misuse", "misuse", "misuse", "reading", "misuse", "misuse", "closing"],
  "the end of its body": ["misuse", "misuse", "misuse", "waiting", "misuse", "misuse", "closing"],
  "a flush of what was never written": ["misuse", "misuse", "misuse", "misuse", "misuse", "misuse", "misuse"],
  "its visitor leaves": ["gone", "gone", "gone", "gone", "gone", "gone", "gone"],
  "its response went out": ["misuse", "misuse", "misuse", "misuse", "misuse", "misuse", "gone"],
  "a newer agent comes": ["authorizing", "issuing", "queued", "reading", "waiting", "responding", "closing"],
  "its tunnel opens again": ["misuse", "misuse", "misuse", "misuse", "misuse", "misuse", "misuse"],
  "its next packet, the last": [
    "authorizing",
    "issuing",
    "queued",
    "reading",
    "closing",
    "closing",
    "closing",
  ],
  "its agent gives up": ["authorizing", "issuing", "queued", "reading", "closing", "closing", "closing"],
  "its tunnel shows a sign of life": [
    "authorizing",
    "issuing",
    "queued",
    "reading",
    "waiting",
    "responding",
    "closing",
  ],
  "its tunnel has sent everything": [
    "authorizing",
    "issuing",
    "queued",
    "reading",
    "waiting",
    "responding",
    "closing",
  ],
  "its tunnel is lost": ["authorizing", "issuing", "queued", "reading", "closing", "closing", "closing"],
  "the registry answers well": [
    "waiting",
    "closing",
    "queued",
    "reading",
    "waiting",
    "responding",
    "closing",
  ],
  "the registry refuses": ["closing", "closing", "queued", "reading", "waiting", "responding", "closing"],
  "a password was checked that nobody asked about": [
    "misuse",
    "misuse",
    "misuse",
    "misuse",
    "misuse",
    "misuse",
    "misuse",
  ],
  "a proxy asks about a certificate": [
    "authorizing",
    "issuing",
    "queued",
    "reading",
    "waiting",
    "responding",
    "closing",
  ],
  "a drain is requested": [
    "authorizing",
    "issuing",
    "closing",
    "reading",
    "waiting",
    "responding",
    "closing",
  ],
  "the visitors are gone": [
    "authorizing",
    "issuing",
    "queued",
    "reading",
    "waiting",
    "responding",
    "closing",
  ],
  "settings are read again": [
    "authorizing",
    "issuing",
    "queued",
    "reading",
    "waiting",
    "responding",
    "closing",
  ],
};

describe("the table of exchange phases and events", () => {
  it("names every phase and every event that there is", () => {
    expect([...ORDER].sort()).toEqual(literals("server/state/exchange.ts", "ExchangePhase").sort());
    expect(new Set(ORDER)).toEqual(new Set(Object.keys(PHASES)));
    const types = eventTypes(["ExchangeOpened", "UpgradeRequested", "SocketEvent", "ServerEvent"]);
    expect(new Set(Object.values(EVENTS).map((event) => event.type))).toEqual(new Set(types));
    expect(Object.keys(TABLE)).toEqual(Object.keys(EVENTS));
  });
});

describe.each(Object.entries(EVENTS))("%s", (name, { act }) => {
  it.each(ORDER.map((phase, column) => [phase, TABLE[name]?.[column] ?? "nothing"] as const))(
    "leads an exchange that is %s to %s",
    (phase, cell) => {
      const made = PHASES[phase]();
      const { server, visit } = made;
      expect(server.state.exchanges.get(visit.id)?.phase).toBe(phase);
      const event = act(made);
      if (cell === "misuse") {
        expect(() => server.step(event)).toThrow(InvariantError);
        return;
      }
      if (event.type === "exchange_closed") visit.isClosed = true;
      if (event.type === "socket_closed") made.tunnel.stage = "gone";
      server.dispatchStill(event);
      expect(server.state.exchanges.get(visit.id)?.phase ?? "gone").toBe(cell);
      server.expectEmpty();
    },
  );
});

describe("an event for an exchange that is not there", () => {
  it.each(["exchange_body", "exchange_body_ended", "exchange_flushed", "exchange_closed"] as const)(
    "is misuse: %s",
    (type) => {
      const exchange = 7 as ExchangeId;
      const event = { type, exchange, bytes: new Uint8Array(0), complete: false };
      expect(() => new TestServer().step(event as unknown as ServerEvent)).toThrow(InvariantError);
    },
  );
});
