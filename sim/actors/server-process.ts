/**
 * One server process: the real state machine of `core/server.ts`, with its connections, and what the shipped registry
 * adapter does.
 */

import type { EdgeLimits } from "../../core/edge/limits.ts";
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import { type CertificateId, type ExchangeId, ID_BASE_BYTES, idBaseFrom } from "../../core/ids.ts";
import type { ServerLimits } from "../../core/limits.ts";
import type { RegisterAgain } from "../../core/registry/credentials.ts";
import type { ServerSettings as ServerLiveSettings } from "../../core/server/config.ts";
import { peerEdgeLimits } from "../../core/server/peer/limits.ts";
import {
  checkServer,
  createServer,
  type ServerState,
  serverDeadlineMs,
  serverSnapshot,
  stepServer,
} from "../../core/server.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { LedgerWriter } from "../ledger/writer.ts";
import { serverReportMarks } from "../record/marks.ts";
import type { ServerSizes, SteppedServer } from "../record/stepped.ts";
import { DOMAIN } from "../scenario/request.ts";
import { signedBy } from "../scenario/session.ts";
import { fakeSha256, isFakeSalted } from "../tools/hash.ts";
import type { Random } from "../tools/random.ts";
import { Process } from "../world/process.ts";
import type { Agenda, World } from "../world/world.ts";
import type { FakeRegistry } from "./registry.ts";
import { ServerConnections } from "./server-connections.ts";
import { ServerEdge } from "./server-edge.ts";
import { type PeerNetwork, ServerPeers } from "./server-peers.ts";
import { added, NOTHING_HELD, type SessionHold } from "./session-hold.ts";

/** What a check takes on a machine that has little else to do, and on one that has much. */
const PASSWORD_US_MIN = 50_000;
const PASSWORD_US_MAX = 500_000;

export type ServerSettings = {
  readonly accessToken: string;
  readonly registerAgain: RegisterAgain;
  readonly corsOrigins: readonly string[] | null;
  readonly trustedProxies: readonly string[];
  readonly pathRouting: boolean;
  readonly hostnames: Readonly<Record<string, string>>;
  readonly limits: ServerLimits;
  readonly edgeLimits: EdgeLimits;
  /** The way to other nodes; null where each is by itself. */
  readonly peers: PeerNetwork | null;
};

/** What no run has otherwise. */
const FIXED = { domain: DOMAIN, queryTokens: true, docsUrl: null } as const;

/** Whoever comes brings many visitors from one address. */
const EVERYBODY = ["0.0.0.0/0", "::/0"];

/** The wall clock of all servers when a run begins: nothing of a run depends on the day. */
const EPOCH_MS = 1_700_000_000_000;
export class ServerProcess implements SteppedServer {
  readonly process: Process<ServerEvent, ServerEffect>;
  /** False while it takes no new connection. */
  listening = true;
  /** Its WebSocket adapter takes no larger message. */
  readonly messageBytesMax: number;
  /** With the machine goes the kernel: peers are told nothing. */
  losesPower = false;
  readonly connections: ServerConnections;
  readonly edge: ServerEdge;
  /** Where other nodes come, and the way to them; null where there are none. */
  readonly peerEdge: ServerEdge | null = null;
  readonly peers: ServerPeers | null = null;
  readonly ledger: Ledger;
  readonly #idBase: number;
  #certificates = 0;
  readonly #state: ServerState;
  /** After the last step; null until somebody asks. */
  #sizes: ServerSizes | null = null;
  readonly #world: World;
  readonly #registry: FakeRegistry;
  readonly #random: Random;
  readonly #passwords: Agenda;
  readonly #onGone: () => void;
  readonly #settings: ServerSettings;

  constructor(
    world: World,
    registry: FakeRegistry,
    name: string,
    settings: ServerSettings,
    onGone: () => void,
  ) {
    this.#world = world;
    this.#registry = registry;
    const random = world.random(`server:${name}`);
    this.#random = world.random(`passwords:${name}`);
    this.#passwords = world.agenda(`passwords:${name}`);
    this.#onGone = onGone;
    this.#settings = settings;
    this.messageBytesMax = settings.limits.tunnelMessageBytesMax;
    this.#idBase = idBaseFrom(random.bytes(ID_BASE_BYTES));
    const writer = new LedgerWriter(this.#idBase);
    this.ledger = writer.ledger;
    this.process = new Process<ServerEvent, ServerEffect>(world, {
      name,
      machine: {
        step: (nowMs, event, out) => stepServer(this.#state, nowMs, event, out),
        deadlineMs: () => serverDeadlineMs(this.#state),
        check: () => checkServer(this.#state),
      },
      tick: { type: "tick" },
      perform: (effect) => this.#perform(effect),
      onStep: (event, effects, count) => {
        this.#sizes = null;
        this.ledger.sleptMs = this.process.sleptMs;
        writer.take(this.nowMs, event, effects, count);
        world.watch.serverStep(this, event, effects, count);
      },
      onDead: () => this.#onDead(),
    });
    this.#state = createServer({
      node: name,
      peerUrl: settings.peers === null ? null : `http://${name}`,
      peerHmacs: (settings.peers?.secrets ?? []).map(signedBy),
      publicUrl: null,
      idBase: this.#idBase,
      accessToken: settings.accessToken,
      registerAgain: settings.registerAgain,
      corsOrigins: settings.corsOrigins,
      ...FIXED,
      pathRouting: settings.pathRouting,
      hostnames: settings.hostnames,
      trustedProxies: settings.trustedProxies,
      build: "simulated",
      limits: settings.limits,
      sha256: fakeSha256,
      sign: signedBy(settings.accessToken),
      epochMs: EPOCH_MS + Math.floor((world.nowUs - this.process.clock.read(world.nowUs)) / 1_000),
    });
    const dispatch = (event: ServerEvent) => this.process.dispatch(event);
    let exchanges = 0;
    const nextExchange = () => ++exchanges as ExchangeId;
    const { peers } = settings;
    if (peers !== null) {
      const { process } = this;
      const newSocket = () => this.connections.newSocket();
      const limits = peerEdgeLimits({ ...settings.limits, ...settings.edgeLimits });
      this.peers = new ServerPeers(world, process, peers, settings.limits, dispatch);
      this.peerEdge = new ServerEdge(world, {
        process,
        random: world.random(`peers:${name}`),
        limits,
        trustedProxies: EVERYBODY,
        nextExchange,
        forPeers: true,
        dispatch,
        newSocket,
      });
    }
    this.edge = new ServerEdge(world, {
      nextExchange,
      process: this.process,
      random,
      limits: settings.edgeLimits,
      trustedProxies: settings.trustedProxies,
      dispatch,
      newSocket: () => this.connections.newSocket(),
    });
    this.connections = new ServerConnections(world, { random, edge: this.edge, dispatch });
  }

  start(): void {
    this.#world.trace?.started(this.#world.nowUs, this.process.name, this.#idBase);
    this.process.dispatch({ type: "tick" });
  }

  get name(): string {
    return this.process.name;
  }

  get nowMs(): number {
    return this.process.nowMs;
  }

  get heldBytes(): number {
    return this.#state.heldBytes;
  }

  snapshot(): ServerSizes {
    if (this.#sizes !== null) return this.#sizes;
    const { tunnels, visitorSockets, exchanges, heldBytes, waiting, sessions, counters } = serverSnapshot(
      this.#state,
    );
    const timersArmed = this.#state.timers.heap.length;
    const seeks = this.#state.peers.seeks.size;
    this.#sizes = {
      tunnels,
      visitorSockets,
      exchanges,
      heldBytes,
      waiting,
      sessions,
      timersArmed,
      seeks,
      counters,
    };
    return this.#sizes;
  }

  /** What the sessions of native agents still hold, but for those of some client ids: all zero when all is settled. */
  sessionsHold(but: ReadonlySet<string>): SessionHold {
    let hold = NOTHING_HELD;
    for (const [clientId, { link }] of this.#state.sessions) if (!but.has(clientId)) hold = added(hold, link);
    return hold;
  }

  drain(): void {
    this.#dispatch({ type: "drain_requested" });
  }

  /** On behalf of the proxy in front, which wants to know whether that name may get one. */
  askForCertificate(name: string): void {
    this.#dispatch({ type: "certificate_asked", question: ++this.#certificates as CertificateId, name });
  }

  /** Reads the settings anew, of which these are not as they were at the start. */
  change(changes: Partial<ServerLiveSettings>): void {
    const { corsOrigins, trustedProxies, registerAgain, pathRouting, hostnames, limits } = this.#settings;
    const settings = {
      corsOrigins,
      trustedProxies,
      registerAgain,
      pathRouting,
      hostnames,
      limits,
      ...FIXED,
      ...changes,
    };
    this.#dispatch({ type: "settings_changed", settings });
  }

  #dispatch(event: ServerEvent): void {
    this.process.dispatch(event);
  }

  #perform(effect: ServerEffect): void {
    switch (effect.type) {
      case "registry_call": {
        const { call, operation } = effect;
        this.#registry.call(this.process.name, operation, (outcome) =>
          this.process.run(() => this.#dispatch({ type: "registry_answered", call, outcome })),
        );
        break;
      }
      case "password_check": {
        const { check, password, hash } = effect;
        const result = isFakeSalted(password, hash) ? "right" : "wrong";
        this.#passwords.after(this.#random.between(PASSWORD_US_MIN, PASSWORD_US_MAX), () =>
          this.process.run(() => this.#dispatch({ type: "password_checked", check, result })),
        );
        break;
      }
      case "certificate_answer":
        // What the proxy makes of it is nothing to the world.
        break;
      case "proxies_trust":
        this.edge.obey(effect);
        break;
      case "responses_close":
        this.edge.obey(effect);
        this.peerEdge?.obey(effect);
        break;
      case "listener_close":
        this.listening = false;
        this.edge.obey(effect);
        this.peerEdge?.obey(effect);
        break;
      case "origin_set":
      case "origin_request":
      case "origin_send":
      case "origin_send_end":
      case "origin_release":
      case "origin_abort":
      case "origin_pause":
        this.peers?.order(effect);
        break;
      case "drained":
        this.#world.sometimes("a drain is finished");
        this.process.kill();
        break;
      case "report":
        this.#world.sometimes(serverReportMarks[effect.report.type]);
        break;
      default:
        if ("exchange" in effect && this.peerEdge?.has(effect.exchange) === true) this.peerEdge.obey(effect);
        else this.connections.perform(effect);
    }
  }

  #onDead(): void {
    this.listening = false;
    this.connections.end(this.losesPower);
    this.peerEdge?.end(this.losesPower);
    this.peers?.end(this.losesPower);
    this.#onGone();
  }
}
