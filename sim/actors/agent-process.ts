/**
 * One process of our agent: the real state machine of `core/agent.ts`, with what its adapters do: the WebSocket, the calls
 * to the server's HTTP interface, the requests to the home and the state file.
 */
import type { AgentConfig, AgentSettings as AgentLiveSettings } from "../../core/agent/config.ts";
import { type AgentState, agentDeadlineMs, checkAgent, createAgent, stepAgent } from "../../core/agent.ts";
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent } from "../../core/events.ts";
import type { CallId, SocketId } from "../../core/ids.ts";
import type { AgentLimits } from "../../core/limits.ts";
import { clientLimitsOf } from "../../core/origins/state.ts";
import { agentReportMarks } from "../record/marks.ts";
import { accessOf, askedNameOf, saltedAnew } from "../scenario/request.ts";
import { type HomeSpec, isNative } from "../scenario/scenario.ts";
import { headerOf } from "../tools/headers.ts";
import { latin1Text } from "../tools/text.ts";
import { Process } from "../world/process.ts";
import type { World } from "../world/world.ts";
import { AgentOrigins } from "./agent-origins.ts";
import { ClientConnection } from "./client-connection.ts";
import { ClientSocket, type Dialler } from "./dial.ts";
import type { Home } from "./home/home.ts";
import { added, NOTHING_HELD, type SessionHold } from "./session-hold.ts";

export type AgentSettings = {
  /** Of its process; unique in a run. */
  readonly name: string;
  readonly spec: HomeSpec;
  readonly accessToken: string | null;
  /** The token that the registry knows from before the run; null makes the agent register. */
  readonly clientToken: string | null;
  readonly limits: AgentLimits;
};

/** Another salt for the same password, or one more service before the others, under a name that is new. */
export type ChangedSettings = { readonly salt: string; readonly access: boolean };

/** What outlives an agent's process: the state file. */
export type AgentDisk = { clientToken: string | null };

const ORIGINS = [
  { prefix: "/files", authority: "files.test" },
  { prefix: "/library/3", authority: "third.test", basePath: "/base" },
];

/** One that has them all in one place under a name of its own has nothing but what visitors mean to ask for. */
function originsOf({ hostHeader }: HomeSpec): AgentConfig["origins"] {
  const places = hostHeader === "fixed" ? ["/library", "/auth/"] : ["/"];
  return [...places.map((prefix) => ({ prefix, authority: "origin.test" })), ...ORIGINS];
}

function hostOf({ hostHeader }: HomeSpec): Pick<AgentConfig, "hostHeader" | "headers"> {
  if (hostHeader === undefined) return { hostHeader: { type: "origin" }, headers: [] };
  const headers = ["X-Set", "by the agent"];
  if (hostHeader === "visitor") return { hostHeader: { type: "visitor" }, headers };
  return { hostHeader: { type: "fixed", value: "fixed.test" }, headers };
}

const PROTOCOLS = "sec-websocket-protocol";

export class AgentProcess {
  readonly process: Process<AgentEvent, AgentEffect>;
  losesPower = false;
  readonly #world: World;
  readonly #dialler: Dialler;
  readonly #origins: AgentOrigins;
  readonly #spec: HomeSpec;
  readonly #disk: AgentDisk;
  readonly #state: AgentState;
  /** Its settings as they were read last. */
  #read: AgentLiveSettings;
  readonly #sockets = new Map<SocketId, ClientSocket>();

  constructor(
    world: World,
    dialler: Dialler,
    home: Home,
    options: {
      readonly name: string;
      readonly settings: AgentSettings;
      readonly disk: AgentDisk;
      readonly onGone: () => void;
    },
  ) {
    const { name, settings, disk } = options;
    this.#world = world;
    this.#dialler = dialler;
    this.#spec = settings.spec;
    this.#disk = disk;
    this.#read = {
      protocol: settings.spec.protocol ?? "moosicbox",
      access: accessOf(settings.spec),
      origins: originsOf(settings.spec),
      ...hostOf(settings.spec),
      exitOnError: false,
      docsUrl: null,
      limits: settings.limits,
    };
    const state = createAgent({
      clientId: settings.spec.clientId,
      clientToken: disk.clientToken,
      accessToken: settings.accessToken,
      invite: null,
      hostname: askedNameOf(settings.spec),
      ...this.#read,
      links: settings.spec.links ?? 1,
      instance: Buffer.from(world.random(`instance:${name}:${world.nowUs}`).bytes(16)).toString("hex"),
      seed: world.random(`jitter:${name}`).next(),
    });
    this.#state = state;
    this.process = new Process<AgentEvent, AgentEffect>(world, {
      name,
      machine: {
        step: (nowMs, event, out) => stepAgent(state, nowMs, event, out),
        deadlineMs: () => agentDeadlineMs(state),
        check: () => checkAgent(state),
      },
      tick: { type: "tick" },
      perform: (effect) => this.#perform(effect),
      onStep: (event, effects, count) => world.watch.agentStep(this.process, event, effects, count),
      onDead: () => {
        this.#onDead();
        options.onGone();
      },
    });
    this.#origins = new AgentOrigins(world, this.process, home, {
      basePaths: originsOf(settings.spec).map(({ basePath = "" }) => basePath),
      limits: clientLimitsOf(settings.limits, true),
      // MoosicBox's protocol has no place for them; what is in the list is the agent's own.
      passesFields: isNative(settings.spec),
      tell: (fact) => this.process.dispatch(fact),
    });
  }

  get sessionHolds(): SessionHold {
    const { links, olderLinks } = this.#state;
    const sessions = [...links, ...olderLinks].flatMap(({ session }) => session ?? []);
    return sessions.reduce((hold, { wire }) => added(hold, wire), NOTHING_HELD);
  }

  /** Reads the settings anew. */
  change({ salt, access: isOfAccess }: ChangedSettings): void {
    const { access } = this.#read;
    const origins = [{ prefix: `/never/${salt}`, authority: "never.test" }, ...originsOf(this.#spec)];
    this.#read = isOfAccess
      ? { ...this.#read, access: saltedAnew(this.#spec, access, salt) }
      : { ...this.#read, origins };
    this.process.run(() => {
      this.#origins.change(this.#read.origins.map(({ basePath = "" }) => basePath));
      this.process.dispatch({ type: "settings_changed", settings: this.#read });
    });
  }

  #perform(effect: AgentEffect): void {
    switch (effect.type) {
      case "socket_connect":
        this.#connect(effect);
        break;
      case "socket_send_text":
        this.#sockets.get(effect.socket)?.sendText(effect.text);
        break;
      case "socket_send_packet":
        this.#sockets.get(effect.socket)?.sendBytes([effect.header, ...effect.body]);
        break;
      case "socket_ping":
        this.#sockets.get(effect.socket)?.ping();
        break;
      case "socket_close":
        this.#sockets.get(effect.socket)?.close(effect.code, effect.reason);
        break;
      case "socket_terminate":
        this.#sockets.get(effect.socket)?.terminate();
        break;
      case "api_call":
        this.#callServer(effect.call, effect.target, effect.token);
        break;
      case "origin_pause":
        if (effect.paused) this.#world.sometimes("an agent stops reading its home");
        this.#origins.order(effect);
        break;
      case "origin_request":
      case "origin_send":
      case "origin_send_end":
      case "origin_abort":
        this.#origins.order(effect);
        break;
      case "origin_release":
        // All that the kernel had put there. Whoever still needed any of it would send these instead, and be seen.
        new Uint8Array(effect.bytes.buffer).fill(0xdd);
        break;
      case "state_save":
        this.#disk.clientToken = effect.clientToken;
        break;
      case "stopped":
        this.#world.sometimes(effect.failure === null ? "an agent drained" : "an agent gave up");
        this.#origins.close();
        this.process.kill();
        break;
      case "report":
        this.#world.sometimes(agentReportMarks[effect.report.type]);
        break;
    }
  }

  #connect({
    socket,
    target,
    headers,
    protocols,
  }: Extract<AgentEffect, { readonly type: "socket_connect" }>): void {
    const dispatch = (event: AgentEvent) => this.process.dispatch(event);
    const client = new ClientSocket(this.#dialler, {
      target,
      headers: protocols.length === 0 ? headers : [...headers, PROTOCOLS, protocols.join(", ")],
      order: this.#spec.queue,
      host: this.process,
      handler: {
        opened: (protocol) => dispatch({ type: "socket_opened", socket, protocol }),
        refused: (status, body, retryAfter) => {
          if (body.includes("already_linked"))
            this.#world.sometimes("a dial leads to a node that has a link");
          dispatch({ type: "socket_refused", socket, status, body, ...(retryAfter && { retryAfter }) });
        },
        text: (text) => dispatch({ type: "socket_text", socket, text }),
        bytes: (bytes) => dispatch({ type: "socket_bytes", socket, bytes }),
        heard: () => dispatch({ type: "socket_heard", socket }),
        flushed: (bytes) => dispatch({ type: "socket_flushed", socket, bytes }),
        closed: (code, reason) => {
          this.#sockets.delete(socket);
          dispatch({ type: "socket_closed", socket, code, reason });
        },
      },
    });
    this.#sockets.set(socket, client);
  }

  #callServer(call: CallId, target: string, token: string): void {
    const report = (event: AgentEvent) => this.process.run(() => this.process.dispatch(event));
    const portal = this.#dialler.path.portal();
    let status = 0;
    let body = "";
    let retryAfter: string | undefined;
    const request = {
      method: "POST",
      target,
      headers: ["host", "tunnel.example", "authorization", `Bearer ${token}`],
      hasBody: false,
    };
    new ClientConnection(this.#dialler).ask(request, {
      interim: () => {},
      head: (answered, headers) => {
        status = answered;
        retryAfter = headerOf(headers, "retry-after");
      },
      body: (bytes) => {
        body += latin1Text(bytes);
      },
      ended: (how) => {
        if (how === "complete")
          report({ type: "api_answered", call, ...(portal ?? { status, body, retryAfter }) });
        else if (how === "refused")
          report({ type: "api_failed", call, fault: { kind: "refused", detail: "" } });
        else report({ type: "api_failed", call, fault: { kind: "cut", detail: "" } });
      },
    });
  }

  #onDead(): void {
    for (const socket of this.#sockets.values()) {
      if (this.losesPower) socket.vanish();
      else socket.hangUp();
    }
    this.#origins.end(this.losesPower);
  }
}
