/** Puts a server together: the state machine, its driver, and what carries out its orders. */
import { hash, randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { unreachable } from "../../core/assert.ts";
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import { type ExchangeId, ID_BASE_BYTES, idBaseFrom } from "../../core/ids.ts";
import { type ServerSettings as CoreSettings, SERVER_SETTINGS } from "../../core/server/config.ts";
import {
  createServer,
  type ServerState,
  serverDeadlineMs,
  serverSnapshot,
  stepServer,
} from "../../core/server.ts";
import { picked } from "../../core/settings/changes.ts";
import { monotonicEpochMs, monotonicNowMs } from "../clock.ts";
import { Driver } from "../driver.ts";
import { causeOf } from "../error-cause.ts";
import { createNonceSource } from "../nonce.ts";
import { type Admin, startAdmin } from "../operator/admin.ts";
import type { Logger } from "../operator/log.ts";
import { createMetrics, type MetricSeries } from "../operator/metrics.ts";
import { type Health, nodeHealth } from "../operator/node-health.ts";
import { createRefusalLog } from "../operator/refusals.ts";
import { createServerReportLog } from "../operator/report-log.ts";
import { createProbe, type MysqlReport, openRegistry } from "../registry/registry.ts";
import type { ServeConfig } from "../settings/settings.ts";
import type { InheritedListeners } from "../socket/listening.ts";
import { StartupError } from "../startup-error.ts";
import { VERSION } from "../version.ts";
import { CertificateQuestions } from "./certificates.ts";
import { connectionsThatFit } from "./descriptors.ts";
import { HttpServer } from "./http.ts";
import { checkPassword } from "./passwords.ts";
import { Peers } from "./peers.ts";
import { createPeerHmac, createSignature } from "./signature.ts";
import { ServerSockets } from "./web-sockets.ts";

export type ServerSettings = ServeConfig & {
  readonly accessToken: string;
  /** In place of the addresses where there are any. */
  readonly inherited?: InheritedListeners;
  /** Whether this process has the operator's listener; else whoever started it has. */
  readonly hasAdmin?: boolean;
};

export type RunningServer = {
  /** Where visitors and agents come. */
  readonly address: AddressInfo;
  /** Null where another process has the operator's listener. */
  readonly adminPort: number | null;
  readonly health: Health;
  /** All that this process counts. */
  metrics(): Promise<readonly MetricSeries[]>;
  /** Resolves when a drain is over and everything is closed. Rejects with what was thrown for a bug. */
  readonly ended: Promise<void>;
  /** Finishes what runs, takes nothing new, and resolves or rejects as `ended` does. */
  stop(): Promise<void>;
  /** Takes over settings that were read again, as far as they hold before a restart, and says in the log how far. */
  change(settings: CoreSettings): void;
};

/** Rejects with `StartupError` for what keeps it from serving. Touches neither signals nor the exit code. */
export async function startServer(config: ServerSettings, logger: Logger): Promise<RunningServer> {
  const inherited = config.inherited ?? { visitors: null, admin: null };
  const database = await openRegistry(config.database, (report) => {
    const { type, ...fields } = report;
    logger.warn(fields, MYSQL_MESSAGES[type]);
  });
  const state = createServer({
    node: `${hostname().slice(0, 40)}-${randomBytes(8).toString("hex")}`,
    peerUrl: config.peer?.url ?? null,
    publicUrl: config.publicUrl,
    idBase: idBaseFrom(randomBytes(ID_BASE_BYTES)),
    accessToken: config.accessToken,
    ...picked(config, SERVER_SETTINGS),
    build: VERSION,
    sha256: (text) => hash("sha256", text),
    sign: createSignature(config.accessToken),
    peerHmacs: (config.peer?.secrets ?? []).map(createPeerHmac),
    epochMs: monotonicEpochMs(),
  });
  const snapshot = () => serverSnapshot(state);
  const metrics = createMetrics(snapshot);
  const registry = metrics.meter(database);
  const reports = createServerReportLog(logger);
  const ended = Promise.withResolvers<void>();

  const driver = new Driver<ServerState, ServerEvent, ServerEffect>({
    state,
    step: stepServer,
    deadlineMs: serverDeadlineMs,
    perform,
    nowMs: monotonicNowMs,
    onFatal: (error) => close().finally(() => ended.reject(error)),
  });
  const dispatch = (event: ServerEvent) => driver.dispatch(event);
  const certificates = new CertificateQuestions(dispatch);
  const nonce = createNonceSource();
  const sockets = new ServerSockets({
    messageBytesMax: config.limits.tunnelMessageBytesMax,
    dispatch,
    nonce,
    onForward: (request) => http.forward(request),
    onRefused: (request) => http.refused(request),
  });
  const refused = createRefusalLog(logger, monotonicNowMs);
  const connectionsMax = Math.min(config.limits.connectionsMax, connectionsThatFit());
  let exchanges = 0;
  const nextExchange = () => ++exchanges as ExchangeId;
  const onFault = (cause: string) => {
    metrics.countConnectionFault(cause);
    refused(cause);
  };
  const onFatal = (error: unknown) => close().finally(() => ended.reject(error));
  const peers = config.peer
    ? new Peers({ ...config.peer, limits: config.limits, nextExchange, dispatch, nonce, onFault, onFatal })
    : null;
  const http = new HttpServer({
    nextExchange,
    port: config.port,
    bind: config.bind,
    reusePort: config.reusePort,
    fd: inherited.visitors,
    limits: { ...config.limits, connectionsMax },
    trustedProxies: state.trustedProxies,
    dispatch,
    nonce,
    onUpgrade: (request, stream, head) => sockets.take(request, stream, head),
    onFault,
    onFatal,
  });
  const health = nodeHealth({
    metrics,
    snapshot,
    certificateFor: (name) => certificates.ask(name),
    registryProblem: createProbe(registry, (problem) => {
      if (problem === null) logger.info("the database takes writes again");
      else logger.error(problem, "the database takes no writes");
    }),
  });
  let admin: Admin | null = null;

  function perform(effect: ServerEffect): void {
    switch (effect.type) {
      case "exchange_read":
      case "exchange_pause":
      case "respond":
      case "respond_interim":
      case "respond_upgrade":
      case "respond_head":
      case "respond_body":
      case "respond_end":
      case "respond_cut":
        if (peers?.has(effect.exchange) === true) peers.answer(effect);
        else http.perform(effect);
        break;
      case "responses_close":
      case "listener_close":
        http.perform(effect);
        peers?.answer(effect);
        break;
      case "proxies_trust":
        http.perform(effect);
        break;
      case "origin_set":
      case "origin_request":
      case "origin_send":
      case "origin_send_end":
      case "origin_release":
      case "origin_abort":
      case "origin_pause":
        peers?.ask(effect);
        break;
      case "upgrade_accept":
      case "upgrade_forward":
      case "upgrade_refuse":
      case "socket_send_text":
      case "socket_send_packet":
      case "socket_ping":
      case "socket_close":
      case "socket_terminate":
      case "socket_pause":
        sockets.perform(effect);
        break;
      case "registry_call": {
        const { call, operation } = effect;
        registry.call(operation, (outcome) => dispatch({ type: "registry_answered", call, outcome }));
        break;
      }
      case "password_check": {
        const { check, password, hash } = effect;
        void checkPassword(password, hash).then((result) =>
          dispatch({ type: "password_checked", check, result }),
        );
        break;
      }
      case "certificate_answer":
        certificates.perform(effect);
        break;
      case "report":
        reports.write(effect.report);
        break;
      case "drained":
        close().then(ended.resolve, ended.reject);
        break;
      default:
        unreachable(effect);
    }
  }

  async function close(): Promise<void> {
    driver.stop();
    sockets.close();
    await http.close();
    await peers?.close();
    await admin?.close();
    await registry.close();
    metrics.close();
    reports.close();
  }

  try {
    // Before the first agent comes, for from then on this node is named to others.
    if (peers !== null) await listening("other nodes", peers.listen());
    const address = await listening("visitors and agents", http.listen());
    if (config.hasAdmin !== false) {
      const { adminBind: bind, adminPort: port, reusePort } = config;
      admin = await listening(
        "the operator",
        startAdmin({ bind, port, reusePort, fd: inherited.admin, health }),
      );
    }
    dispatch({ type: "tick" });
    return {
      address,
      adminPort: admin?.port ?? null,
      health,
      metrics: () => metrics.series(),
      ended: ended.promise,
      stop: () => {
        dispatch({ type: "drain_requested" });
        return ended.promise;
      },
      change: (settings) => {
        dispatch({ type: "settings_changed", settings: picked(settings, SERVER_SETTINGS) });
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const MYSQL_MESSAGES: { readonly [Type in MysqlReport["type"]]: string } = {
  waiting: "waiting for the database",
  failed: "the database failed a statement",
  row_skipped: "a row in the database cannot be used",
};

/** Rejects with `StartupError`. Node's message names the address and what is wrong with it. */
export async function listening<T>(forWhom: string, attempt: Promise<T>): Promise<T> {
  try {
    return await attempt;
  } catch (error) {
    throw new StartupError(`cannot listen for ${forWhom}: ${causeOf(error)}`, { cause: error });
  }
}
