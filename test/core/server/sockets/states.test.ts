/** Every phase of a socket against every event: what it leads to is in one table, and nothing else may happen. */
import { describe, expect, it } from "vitest";
import { InvariantError } from "../../../../core/assert.ts";
import type { ServerEvent } from "../../../../core/events.ts";
import type { CallId, CertificateId, CheckId, ExchangeId, SocketId } from "../../../../core/ids.ts";
import { serverLimits } from "../../../../core/limits.ts";
import type { SocketPhase } from "../../../../core/server/state/tunnels.ts";
import { ACCESS_TOKEN, TestServer } from "../../../helpers/test-server.ts";
import type { TestSocket } from "../../../helpers/test-socket.ts";
import { eventTypes, literals } from "../../../helpers/union-members.ts";

type Kind = "tunnel" | "visitorSocket";
/** The phase that follows, the end, or `InvariantError` where `core/events.ts` makes the event misuse. */
type Cell = SocketPhase | "gone" | "misuse";
type Scene = { readonly server: TestServer; readonly socket: TestSocket };

const PHASES: Readonly<Record<SocketPhase, (kind: Kind) => Scene>> = {
  authorizing: (kind) => {
    const server = new TestServer();
    server.registry.mode = "holds";
    return { server, socket: server[kind]("home", false) };
  },
  claiming: (kind) => {
    const server = new TestServer();
    server.registry.modes.set("upsert_connection", "holds");
    return { server, socket: server[kind]("home", false) };
  },
  accepting: (kind) => {
    const server = new TestServer();
    return { server, socket: server[kind]("home", false) };
  },
  live: (kind) => {
    const server = new TestServer();
    const socket = server[kind]("home", false);
    socket.open();
    return { server, socket };
  },
  closing: (kind) => {
    const made = PHASES.live(kind);
    // Silence has it terminated; the connection's own end is still to come.
    made.server.advance(serverLimits.silenceMs);
    return made;
  },
};

type Act = (scene: Scene) => ServerEvent;

const EVENTS: Readonly<Record<string, { readonly type: ServerEvent["type"]; readonly act: Act }>> = {
  tick: { type: "tick", act: () => ({ type: "tick" }) },
  "a tick much later": {
    type: "tick",
    act: ({ server }) => {
      server.stall(600_000);
      return { type: "tick" };
    },
  },
  "requested again": {
    type: "upgrade_requested",
    act: ({ socket }) => ({
      type: "upgrade_requested",
      socket: socket.id,
      target: "/ws",
      headers: [],
      peer: "192.0.2.1",
    }),
  },
  opened: {
    type: "socket_opened",
    act: ({ socket }) => ({ type: "socket_opened", socket: socket.id, nonce: new Uint8Array(16) }),
  },
  "a text": {
    type: "socket_text",
    act: ({ socket }) => ({ type: "socket_text", socket: socket.id, text: "1" }),
  },
  bytes: {
    type: "socket_bytes",
    act: ({ socket }) => ({ type: "socket_bytes", socket: socket.id, bytes: new Uint8Array(1) }),
  },
  "a sign of life": {
    type: "socket_heard",
    act: ({ socket }) => ({ type: "socket_heard", socket: socket.id }),
  },
  "a flush of what was never sent": {
    type: "socket_flushed",
    act: ({ socket }) => ({ type: "socket_flushed", socket: socket.id, bytes: 1 }),
  },
  closed: {
    type: "socket_closed",
    act: ({ socket }) => ({ type: "socket_closed", socket: socket.id, code: 1006, reason: "" }),
  },
  "the registry answers well": {
    type: "registry_answered",
    act: ({ server }) => {
      const held = server.registry.held.at(-1)?.operation;
      return {
        type: "registry_answered",
        call: [...server.state.calls.keys()].at(-1) ?? (999 as CallId),
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
  "a request for its home": {
    type: "exchange_opened",
    act: ({ server }) => {
      server.open({ target: "/x?clientId=home" });
      return { type: "tick" };
    },
  },
};

const ORDER: readonly SocketPhase[] = ["authorizing", "claiming", "accepting", "live", "closing"];

type Row = { readonly tunnel: readonly Cell[]; readonly visitorSocket: readonly Cell[] };

function same(...cells: readonly Cell[]): Row {
  return { tunnel: cells, visitorSocket: cells };
}

/** In the order of `ORDER`; a visitor socket is never claiming, and its cell there is not looked at. */
const TABLE: Readonly<Record<string, Row>> = {
  tick: same("authorizing", "claiming", "accepting", "live", "closing"),
  // A stall of this process excuses silence, but not a handshake that was never finished.
  "a tick much later": same("accepting", "accepting", "closing", "live", "closing"),
  "requested again": same("misuse", "misuse", "misuse", "misuse", "misuse"),
  opened: same("misuse", "misuse", "live", "misuse", "closing"),
  // To a tunnel it is a protocol error, and it lives; a visitor socket's message finds no home.
  "a text": {
    tunnel: ["misuse", "misuse", "misuse", "live", "closing"],
    visitorSocket: ["misuse", "misuse", "misuse", "closing", "closing"],
  },
  bytes: {
    tunnel: ["misuse", "misuse", "misuse", "live", "closing"],
    visitorSocket: ["misuse", "misuse", "misuse", "closing", "closing"],
  },
  "a sign of life": same("misuse", "misuse", "misuse", "live", "closing"),
  "a flush of what was never sent": same("misuse", "misuse", "misuse", "misuse", "misuse"),
  closed: same("gone", "gone", "gone", "gone", "gone"),
  "the registry answers well": {
    tunnel: ["claiming", "accepting", "accepting", "live", "closing"],
    visitorSocket: ["accepting", "misuse", "accepting", "live", "closing"],
  },
  "the registry refuses": same("accepting", "accepting", "accepting", "live", "closing"),
  "a password was checked that nobody asked about": same("misuse", "misuse", "misuse", "misuse", "misuse"),
  "a proxy asks about a certificate": same("authorizing", "claiming", "accepting", "live", "closing"),
  // A tunnel that cannot say whether its agent has moved is kept for a while.
  "a drain is requested": {
    tunnel: ["closing", "closing", "accepting", "live", "closing"],
    visitorSocket: ["closing", "closing", "accepting", "closing", "closing"],
  },
  "the visitors are gone": same("authorizing", "claiming", "accepting", "live", "closing"),
  "settings are read again": same("authorizing", "claiming", "accepting", "live", "closing"),
  "a request for its home": same("authorizing", "claiming", "accepting", "live", "closing"),
};

describe("the table of socket phases and events", () => {
  it("names every phase and every event that there is", () => {
    expect([...ORDER].sort()).toEqual(literals("server/state/tunnels.ts", "SocketPhase").sort());
    expect(new Set(ORDER)).toEqual(new Set(Object.keys(PHASES)));
    const types = eventTypes(["UpgradeRequested", "SocketEvent", "ServerEvent"]);
    // Events of exchanges meet sockets only through requests; `exchange-states.test.ts` has them.
    const met = types.filter((type) => !type.startsWith("exchange_"));
    const named = Object.values(EVENTS).map((event) => event.type);
    expect(new Set(named.filter((type) => !type.startsWith("exchange_")))).toEqual(new Set(met));
    expect(Object.keys(TABLE)).toEqual(Object.keys(EVENTS));
  });
});

const CASES = (["tunnel", "visitorSocket"] as const).flatMap((kind) =>
  ORDER.flatMap((phase, column) =>
    kind === "visitorSocket" && phase === "claiming" ? [] : [[kind, phase, column] as const],
  ),
);

describe.each(Object.entries(EVENTS))("%s", (name, { act }) => {
  it.each(CASES)("meets a %s that is %s as the table says", (kind, phase, column) => {
    const cell = TABLE[name]?.[kind][column];
    const made = PHASES[phase](kind);
    const { server, socket } = made;
    const phaseNow = () => server.state.sockets.get(socket.id)?.phase ?? "gone";
    if (phase === "closing") expect(socket.closed?.code).toBe(1006);
    expect(phaseNow()).toBe(phase);
    const event = act(made);
    if (cell === "misuse") {
      expect(() => server.step(event)).toThrow(InvariantError);
      return;
    }
    server.dispatchStill(event);
    expect(phaseNow()).toBe(cell);
    if (event.type === "socket_closed") socket.stage = "gone";
    server.expectEmpty();
  });
});

describe("an event for a socket that is not there", () => {
  it.each([
    "socket_opened",
    "socket_text",
    "socket_bytes",
    "socket_heard",
    "socket_flushed",
    "socket_closed",
  ])("is misuse: %s", (type) => {
    const event = { type, socket: 7 as SocketId, text: "1", bytes: new Uint8Array(0), code: 1, reason: "" };
    expect(() => new TestServer().step(event as unknown as ServerEvent)).toThrow(InvariantError);
  });
});

describe("misuse by the driver", () => {
  it("is a clock that runs backwards", () => {
    const server = new TestServer();
    server.advance(5);
    server.dispatch({ type: "tick" });
    server.nowMs = 4;
    expect(() => server.step({ type: "tick" })).toThrow("backwards");
  });

  it("is a nonce that is too short for a token", () => {
    const server = new TestServer();
    const event: ServerEvent = {
      type: "exchange_opened",
      exchange: 1 as ExchangeId,
      method: "POST",
      target: "/auth/register-client?clientId=home",
      headers: ["authorization", ACCESS_TOKEN],
      hasBody: false,
      upgrade: false,
      expectsContinue: false,
      peer: "192.0.2.1",
      nonce: new Uint8Array(15),
    };
    expect(() => server.step(event)).toThrow(InvariantError);
  });
});
