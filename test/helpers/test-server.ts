/**
 * The server's state machine on a virtual clock, between visitors, agents and a registry that a test plays. After each
 * step all invariants are checked, and no report may name a secret: all tokens of the tests begin with `secret`.
 */
import { createHash, createHmac } from "node:crypto";
import { expect } from "vitest";
import type { ServerEffect } from "../../core/effects.ts";
import { NONCE_BYTES, type ServerEvent } from "../../core/events.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import type { IpBlock } from "../../core/http/ip.ts";
import type { CallId, ExchangeId, SocketId } from "../../core/ids.ts";
import { type ServerLimits, serverLimits } from "../../core/limits.ts";
import { Outbox } from "../../core/outbox.ts";
import type { ServerReport } from "../../core/report.ts";
import {
  checkServer,
  createServer,
  type ServerConfig,
  type ServerState,
  serverDeadlineMs,
  stepServer,
} from "../../core/server.ts";
import type { TokenKind } from "../../sim/actors/token-tables.ts";
import { TestRegistry } from "./test-registry.ts";
import { type SocketOrder, TestSocket } from "./test-socket.ts";
import { Visit, type VisitOptions } from "./test-visit.ts";

export const ACCESS_TOKEN = "secret-access";
export const CLIENT_TOKEN = "secret-client";
/** Of a tunnel. */
export const SIGNATURE = "secret-signature";
/** Of a visitor. */
export const MEDIA_SIGNATURE = "secret-media";

/** A registry has a token once, so each home has its own. */
export function tokenOf(token: string, clientId: string): string {
  return clientId === "home" ? token : `${token}-${encodeURIComponent(clientId)}`;
}

export type RequestOptions = VisitOptions & {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: HeaderList;
  readonly peer?: string;
};

export class TestServer {
  readonly state: ServerState;
  readonly registry: TestRegistry;
  readonly visits = new Map<ExchangeId, Visit>();
  readonly sockets = new Map<SocketId, TestSocket>();
  readonly reports: ServerReport[] = [];
  nowMs = 0;
  /** Passwords that are being checked; answered at once unless `holdsPasswords`. */
  readonly passwordChecks: Extract<ServerEffect, { readonly type: "password_check" }>[] = [];
  holdsPasswords = false;
  /** Answers about certificates, each with its question. */
  readonly certificates: string[] = [];
  /** What other nodes are to be asked. */
  readonly peerOrders: Extract<ServerEffect, { readonly type: `origin_${string}` }>[] = [];
  /** How many were ever checked. */
  passwordsChecked = 0;
  listens = true;
  responsesClose = false;
  /** Whether visitors have connections that stay when the listener is closed. */
  holdsVisitors = false;
  /** Those that it ordered to be trusted; null where it ordered nothing of the kind. */
  proxies: readonly IpBlock[] | null = null;
  isDrained = false;
  #opened = 0;
  readonly #out = new Outbox<ServerEffect>();
  readonly #queue: ServerEvent[] = [];
  #running = false;

  constructor(
    limits: Partial<ServerLimits> = {},
    config: Partial<ServerConfig> = {},
    registry = new TestRegistry(),
  ) {
    this.registry = registry;
    registry.nowMs = () => this.nowMs;
    this.state = createServer({
      node: "node-1",
      peerUrl: null,
      publicUrl: null,
      idBase: 1_000_000,
      accessToken: ACCESS_TOKEN,
      registerAgain: "moosicbox",
      docsUrl: null,
      corsOrigins: null,
      domain: null,
      hostnames: {},
      pathRouting: false,
      queryTokens: true,
      trustedProxies: [],
      build: "test",
      limits: { ...serverLimits, ...limits },
      sha256,
      peerHmacs: [],
      sign: (text) => createHmac("sha256", "secret-key").update(text).digest("hex"),
      epochMs: 1_700_000_000_000,
      ...config,
    });
    // The first tick asks for the rows of an earlier life.
    this.advance(0);
  }

  /** Takes the event, and after it all that its effects cause at once. */
  readonly dispatch = (event: ServerEvent): void => {
    this.#queue.push(event);
    if (!this.#running) this.settle();
  };

  /** Takes the event; what its effects cause waits for `settle` or for the next event. */
  dispatchStill(event: ServerEvent): void {
    this.#running = true;
    for (const effect of this.step(event)) this.#perform(effect);
    this.#running = false;
  }

  /** Lets everything happen that earlier effects caused. */
  settle(): void {
    this.#running = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        for (const effect of this.step(next)) this.#perform(effect);
      }
    } finally {
      this.#running = false;
    }
  }

  /** One step whose effects are given back and not carried out. */
  step(event: ServerEvent): ServerEffect[] {
    const effects: ServerEffect[] = [];
    try {
      stepServer(this.state, this.nowMs, event, this.#out);
    } finally {
      this.#out.drain((effect) => effects.push(effect));
    }
    checkServer(this.state);
    return effects;
  }

  /** Lets time pass, and ticks at each deadline. */
  advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (let ticks = 0; serverDeadlineMs(this.state) <= untilMs; ticks++) {
      expect(ticks, "the server ticks without end").toBeLessThan(100_000);
      this.nowMs = Math.max(this.nowMs, serverDeadlineMs(this.state));
      this.dispatch({ type: "tick" });
    }
    this.nowMs = untilMs;
  }

  /** Lets time pass while every open socket shows signs of life. */
  idle(ms: number): void {
    for (let left = ms; left > 0; left -= 1_000) {
      this.advance(Math.min(left, 1_000));
      for (const socket of this.sockets.values()) if (socket.isOpen) socket.beat();
    }
  }

  /** Time stands still for this process: the next tick comes late by so much. */
  stall(ms: number): void {
    this.nowMs += ms;
  }

  /** A request as it came; `token` makes it a tunnelled one of `home`. */
  open(options: RequestOptions = {}): Visit {
    const id = ++this.#opened as ExchangeId;
    const visit = new Visit(id, this.state.config.idBase + id, options, this.dispatch);
    this.visits.set(id, visit);
    this.dispatch({
      type: "exchange_opened",
      exchange: id,
      method: options.method ?? "GET",
      target: options.target ?? "/",
      headers: options.headers ?? [],
      hasBody: options.body !== undefined || options.streams === true || options.upgrade === true,
      upgrade: options.upgrade ?? false,
      expectsContinue: options.expectsContinue ?? false,
      peer: options.peer ?? "192.0.2.1",
      nonce: new Uint8Array(NONCE_BYTES).fill(id),
    });
    return visit;
  }

  /** A request with a good token for a home's service. */
  visit(options: RequestOptions & { readonly clientId?: string; readonly blocking?: boolean } = {}): Visit {
    const clientId = options.clientId ?? "home";
    const token = tokenOf(CLIENT_TOKEN, clientId);
    this.grant("client_access", token, clientId);
    const mode = options.blocking === true ? ["culvert-response", "blocking"] : [];
    return this.open({
      ...options,
      target: options.target ?? `/music?clientId=${encodeURIComponent(clientId)}`,
      headers: ["authorization", `Bearer ${token}`, ...mode, ...(options.headers ?? [])],
    });
  }

  /** An upgrade request as it came. */
  upgrade(
    target: string,
    headers: HeaderList = [],
    reacts = true,
    onOrder?: (order: SocketOrder) => void,
  ): TestSocket {
    const id = ++this.#opened as SocketId;
    const options = { reacts, onOrder };
    const socket = new TestSocket(id, this.state.config.idBase + id, options, this.dispatch);
    this.sockets.set(id, socket);
    this.dispatch({ type: "upgrade_requested", socket: id, target, headers, peer: "192.0.2.1" });
    return socket;
  }

  /** A Culvert agent with a good token, one of the home's; `reacts` false leaves its handshake to the test. */
  tunnel(clientId = "home", reacts = true, headers: HeaderList = [], which = ""): TestSocket {
    const token = tokenOf(CLIENT_TOKEN, clientId) + which;
    this.grant("client_access", token, clientId);
    const shown = ["authorization", `Bearer ${token}`, ...headers];
    return this.upgrade(`/ws?clientId=${encodeURIComponent(clientId)}&sender=true`, shown, reacts);
  }

  /** As MoosicBox's agents come. */
  signedTunnel(clientId = "home", headers: HeaderList = []): TestSocket {
    const token = tokenOf(SIGNATURE, clientId);
    this.grant("signature", token, clientId);
    const client = encodeURIComponent(clientId);
    return this.upgrade(`/ws?clientId=${client}&sender=true&signature=${token}`, headers);
  }

  visitorSocket(clientId = "home", reacts = true): TestSocket {
    const token = tokenOf(MEDIA_SIGNATURE, clientId);
    this.grant("signature", token, clientId);
    return this.upgrade(`/ws?clientId=${encodeURIComponent(clientId)}&signature=${token}`, [], reacts);
  }

  grant(kind: TokenKind, token: string, clientId: string): void {
    this.registry.grant(kind, sha256(token), clientId);
  }

  revoke(kind: TokenKind, token: string): void {
    this.registry.revoke(kind, sha256(token));
  }

  drain(): void {
    this.dispatch({ type: "drain_requested" });
  }

  /** How many exchanges ended so. */
  outcomes(outcome: string): number {
    return this.reports.filter((report) => report.type === "exchange_ended" && report.outcome === outcome)
      .length;
  }

  /** Everybody leaves: nothing may be left behind. */
  expectEmpty(): void {
    this.settle();
    for (const visit of this.visits.values()) visit.leave();
    for (const socket of this.sockets.values()) socket.lose();
    // Sessions wait for their agents, and nobody comes.
    this.advance(this.state.config.limits.graceMs);
    expect(this.state.sessions.size, "a session is left").toBe(0);
    expect(this.state.waiting, "a request is left waiting").toBe(0);
    expect(this.state.exchanges.size, "an exchange is left").toBe(0);
    expect(this.state.sockets.size, "a socket is left").toBe(0);
    expect(this.state.homes.size, "a home is left").toBe(0);
    expect(this.state.questions.size, "a question is left").toBe(0);
    expect(this.state.heldBytes + this.state.sessionBytes, "bytes are left").toBe(0);
    const owners = new Set(this.state.timers.heap.map((timer) => timer.owner.kind));
    for (const kind of ["exchange", "heartbeat", "pause", "hello", "grace", "pump"] as const) {
      expect(owners, "a deadline is left").not.toContain(kind);
    }
  }

  #perform(effect: ServerEffect): void {
    switch (effect.type) {
      case "registry_call":
        return this.#call(effect.call, effect.operation);
      case "password_check":
        this.passwordsChecked++;
        this.passwordChecks.push(effect);
        if (!this.holdsPasswords) this.answerPassword();
        return;
      case "certificate_answer":
        this.certificates.push(`${effect.question} ${effect.answer}`);
        return;
      case "report":
        expect(JSON.stringify(effect.report), "a report names a secret").not.toContain("secret");
        this.reports.push(effect.report);
        return;
      case "responses_close":
        this.responsesClose = true;
        return;
      case "proxies_trust":
        this.proxies = effect.proxies;
        return;
      case "listener_close":
        expect(this.listens).toBe(true);
        this.listens = false;
        // Visitors of this harness have no connections that an exchange does not have.
        if (!this.holdsVisitors) this.dispatch({ type: "visitors_gone" });
        return;
      case "origin_set":
      case "origin_request":
      case "origin_send":
      case "origin_send_end":
      case "origin_release":
      case "origin_abort":
      case "origin_pause":
        this.peerOrders.push(effect);
        return;
      case "drained":
        expect(this.isDrained).toBe(false);
        this.isDrained = true;
        return;
    }
    if ("socket" in effect) {
      const socket = this.sockets.get(effect.socket);
      return socket === undefined ? expect.fail("an order names no socket") : socket.perform(effect);
    }
    const visit = this.visits.get(effect.exchange);
    if (visit === undefined) return expect.fail("an order names no exchange");
    visit.perform(effect);
    if (effect.type !== "exchange_read" || visit.isClosed || !visit.takes || visit.streams) return;
    if (visit.requestBody !== null && visit.requestBody.length > 0) visit.sendBody(visit.requestBody);
    visit.endBody();
  }

  /** Answers the oldest check of a password. */
  answerPassword(result?: "failed"): void {
    const order = this.passwordChecks.shift();
    if (order === undefined) return expect.fail("no password is checked");
    const { check, password, hash } = order;
    const found = saltedHash(password, hash.split(".")[4] ?? "") === hash ? "right" : "wrong";
    this.dispatch({ type: "password_checked", check, result: result ?? found });
  }

  #call(call: CallId, operation: Parameters<TestRegistry["call"]>[0]): void {
    this.registry.call(operation, (outcome) => {
      this.dispatch({ type: "registry_answered", call, outcome });
    });
  }
}

/** A hash in the form of `isSalted`, and quicker than any scrypt. */
export function saltedHash(password: string, salt = "0123456789abcdefABCDEF"): string {
  return `scrypt.14.8.1.${salt}.${createHash("sha256").update(`${salt}:${password}`).digest("base64url")}`;
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
