/** Puts an agent together: the state machine, its driver, and what carries out its orders. */
import { randomBytes } from "node:crypto";
import type { AgentSettings as CoreSettings } from "../../core/agent/config.ts";
import { type AgentState, agentDeadlineMs, createAgent, stepAgent } from "../../core/agent.ts";
import { unreachable } from "../../core/assert.ts";
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent } from "../../core/events.ts";
import { clientLimitsOf } from "../../core/origins/client.ts";
import type { AgentReport } from "../../core/report.ts";
import { isSalted, parseAccess } from "../../core/server/routing/access.ts";
import type { Ways } from "../../core/wire/ways.ts";
import { monotonicNowMs } from "../clock.ts";
import { Driver } from "../driver.ts";
import type { Logger } from "../operator/log.ts";
import { createAgentReportLog } from "../operator/report-log.ts";
import { Origin } from "../origin/origin.ts";
import type { RunAgentConfig } from "../settings/settings.ts";
import { endpointOf } from "../socket/endpoint.ts";
import { StartupError } from "../startup-error.ts";
import { ApiClient } from "./api-client.ts";
import { Dialler } from "./dialler.ts";
import { identityOf } from "./identity.ts";
import { AgentSockets } from "./web-sockets.ts";

export { defaultAgentFile } from "./state-file.ts";

/** `stateFile`: null where a client token is given, and nothing is kept. */
export type AgentSettings = RunAgentConfig;

/** EX_CONFIG of sysexits.h: whoever supervises the process need not start it again before a person changed something. */
const EXIT_CONFIG = 78;

export type RunningAgent = {
  readonly clientId: string;
  /** Whether it came to a first connection; false once it ended without one. */
  readonly connected: Promise<boolean>;
  /** Resolves when it has stopped. Rejects with `StartupError` where it had to give up, with another error for a bug. */
  readonly ended: Promise<void>;
  /** Finishes what runs, takes nothing new, and resolves or rejects as `ended` does. */
  stop(): Promise<void>;
  /** Takes over settings that were read again, as far as they hold before a restart, and says in the log how far. */
  change(settings: ChangingSettings): void;
};

/** Those that the machine knows, with the services' URLs. */
export type ChangingSettings = Pick<
  AgentSettings,
  "protocol" | "access" | "origins" | "hostHeader" | "headers" | "exitOnError" | "docsUrl" | "limits"
>;

/**
 * `onReachable` is told where the home is found, when it is new; null for a server that does not tell.
 *
 * Throws `StartupError` if the state file cannot be used. Touches neither signals nor the exit code.
 */
export function startAgent(
  config: AgentSettings,
  logger: Logger,
  onReachable: (ways: Ways | null) => void = () => {},
): RunningAgent {
  const { clientId, clientToken, keep } = identityOf(config, logger);
  const reports = createAgentReportLog(logger);
  const exitCode = config.exitOnError ? EXIT_CONFIG : 1;
  const connected = Promise.withResolvers<boolean>();
  const ended = Promise.withResolvers<void>();

  const driver = new Driver<AgentState, AgentEvent, AgentEffect>({
    state: createAgent({
      clientId,
      clientToken,
      // Who was given a client token is not to become somebody else by a registration.
      accessToken: config.clientToken === null ? config.accessToken : null,
      invite: config.clientToken === null ? config.invite : null,
      hostname: config.hostname,
      ...coreSettings(config),
      links: config.links,
      instance: randomBytes(16).toString("hex"),
      seed: randomBytes(4).readUInt32LE(),
    }),
    step: stepAgent,
    deadlineMs: agentDeadlineMs,
    perform,
    nowMs: monotonicNowMs,
    onFatal: (error) => end(error),
  });
  const dispatch = (event: AgentEvent) => driver.dispatch(event);
  const dialler = new Dialler(config);
  const sockets = new AgentSockets({
    server: config.server,
    dialler,
    messageBytesMax: config.limits.tunnelMessageBytesMax,
    dispatch,
  });
  const api = new ApiClient({ server: config.server, dialler, dispatch });
  const origin = new Origin({
    urls: config.origins.map(({ url }) => url),
    limits: clientLimitsOf(config.limits, config.keepAlive),
    tlsSkipVerify: config.tlsSkipVerify,
    serverName: config.originName,
    dispatch,
    onFatal: (error) => end(error),
  });

  function perform(effect: AgentEffect): void {
    switch (effect.type) {
      case "socket_connect":
      case "socket_send_text":
      case "socket_send_packet":
      case "socket_ping":
      case "socket_close":
      case "socket_terminate":
        sockets.perform(effect);
        break;
      case "origin_request":
      case "origin_send":
      case "origin_send_end":
      case "origin_abort":
      case "origin_pause":
      case "origin_release":
        origin.perform(effect);
        break;
      case "api_call":
        api.perform(effect);
        break;
      case "state_save":
        save(effect.clientToken);
        break;
      case "report":
        report(effect.report);
        break;
      case "stopped":
        end(effect.failure === null ? null : new StartupError(effect.failure, { exitCode }));
        break;
      default:
        unreachable(effect);
    }
  }

  function report(line: AgentReport): void {
    reports.write(line);
    if (line.type === "connected") connected.resolve(true);
    if (line.type === "reachable") onReachable(line.ways);
  }

  function save(token: string): void {
    try {
      keep(token);
    } catch (error) {
      if (!(error instanceof StartupError)) throw error;
      // The token works for this run; the next one has to register again.
      logger.error(error.message);
    }
  }

  function end(failure: unknown): void {
    driver.stop();
    origin.close();
    api.close();
    reports.close();
    connected.resolve(false);
    if (failure === null) ended.resolve();
    else ended.reject(failure);
  }

  if (isUnsalted(config.access)) {
    logger.warn(
      "--access keeps an unsalted hash, which is soon guessed: make another with culvert hash-password",
    );
  }
  if (config.tlsSkipVerify) logger.warn("certificates of the home's services are not verified");
  driver.dispatch({ type: "tick" });
  return {
    clientId,
    connected: connected.promise,
    ended: ended.promise,
    stop: () => {
      driver.dispatch({ type: "drain_requested" });
      return ended.promise;
    },
    change: (settings) => {
      // Both in one go, so that a request's number means the same to both.
      origin.change(settings.origins.map(({ url }) => url));
      dispatch({ type: "settings_changed", settings: coreSettings(settings) });
    },
  };
}

function coreSettings(settings: ChangingSettings): CoreSettings {
  const { protocol, access, hostHeader, headers, exitOnError, docsUrl, limits } = settings;
  const origins = settings.origins.map(({ prefix, url }) => {
    const { authority, basePath, secure } = endpointOf(url);
    return { prefix, authority, basePath, secure };
  });
  return { protocol, access, origins, hostHeader, headers, exitOnError, docsUrl, limits };
}

/** `basic USER:HASH` with the SHA-256 that earlier versions asked for. */
function isUnsalted(said: string): boolean {
  const access = parseAccess(said);
  return access?.type === "basic" && !isSalted(access.hash);
}
