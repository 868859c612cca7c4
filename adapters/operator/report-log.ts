/**
 * Turns the reports of the machines into log lines. What a stranger can cause at will is sampled: of each kind so many
 * lines a second, then one line that says how many were left out (R06). The metrics count all of them.
 */
import type { ExchangeOutcome } from "../../core/failure.ts";
import type { AgentReport, ServerReport } from "../../core/report.ts";
import type { Changes } from "../../core/settings/changes.ts";
import { settingName } from "../settings/settings.ts";
import type { Logger } from "./log.ts";

/** A person can follow about this many; a machine that wants all reads the metrics. */
const LINES_PER_SECOND = 50;
const WINDOW_MS = 1_000;

type Line = {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  /** Lines of one kind share a budget. There are a few dozen kinds, whatever comes in. */
  readonly kind: string;
  /** Where not all members of the report are for people to read. */
  readonly fields?: object;
};

export type ReportLog<Report> = {
  write(report: Report): void;
  /** Tells what was left out so far, and forgets it. */
  close(): void;
};

export function createServerReportLog(logger: Logger): ReportLog<ServerReport> {
  return createReportLog(logger, serverLine);
}

export function createAgentReportLog(logger: Logger): ReportLog<AgentReport> {
  return createReportLog(logger, agentLine);
}

export function serverLine(report: ServerReport): Line {
  const kind = report.type;
  switch (report.type) {
    case "tunnel_accepted":
      return { kind, level: "info", message: "tunnel accepted" };
    case "session_resumed":
      return { kind, level: "info", message: "session resumed" };
    case "session_lost":
      return { kind, level: "warn", message: "session lost" };
    case "tunnel_ended":
      return { kind, level: "info", message: "tunnel ended" };
    case "upgrade_refused":
      return { kind, level: "warn", message: "upgrade refused" };
    case "exchange_ended":
      return exchangeLine(report.outcome);
    case "agent_protocol_error":
      return { kind, level: "warn", message: "the agent broke the protocol" };
    case "registry_failed":
      return {
        kind,
        level: report.level,
        message: "a call to the registry failed",
        fields: { operation: report.operation, fault: report.fault, count: report.count },
      };
    case "registry_recovered":
      return { kind, level: "info", message: "the registry answers again" };
    case "settings_changed":
      return settingsLine(report);
    case "draining":
      return { kind, level: "info", message: "draining" };
  }
}

/** Under the names that a person gave them. */
function settingsLine({ type, changed, waiting }: Changes & { readonly type: "settings_changed" }): Line {
  const fields = { changed: changed.map(settingName), needRestart: waiting.map(settingName) };
  return { level: "info", message: "settings read again", kind: type, fields };
}

/** Made once for each outcome, since every request has one of these, whether it is written or left out. */
const exchangeLines = new Map<ExchangeOutcome, Line>();

/** One kind per outcome: a flood of good requests must not hide the bad ones. */
function exchangeLine(outcome: ExchangeOutcome): Line {
  const known = exchangeLines.get(outcome);
  if (known !== undefined) return known;
  const level = outcome === "completed" || outcome === "visitor_left" ? "info" : "warn";
  const line: Line = { kind: `exchange_ended ${outcome}`, level, message: "exchange ended" };
  exchangeLines.set(outcome, line);
  return line;
}

export function agentLine(report: AgentReport): Line {
  const kind = report.type;
  switch (report.type) {
    case "registered":
      return { kind, level: "info", message: "registered with the server" };
    case "connected":
      return { kind, level: "info", message: "connected" };
    case "reachable":
      return { kind, level: "debug", message: "visitors find the home", fields: report.ways ?? {} };
    case "hostname_refused":
      return { kind, level: "warn", message: "the name is not this home's", fields: hostnameFields(report) };
    case "disconnected":
      return { kind, level: "warn", message: "disconnected" };
    case "retrying":
      return { kind, level: report.level, message: "trying again", fields: retryFields(report) };
    case "exchange_failed":
      return { kind, level: "warn", message: "the origin failed" };
    case "moving":
      return { kind, level: "info", message: "the server leaves, connecting anew" };
    case "server_protocol_error":
      return { kind, level: "warn", message: "the server broke the protocol" };
    case "settings_changed":
      return settingsLine(report);
    case "draining":
      return { kind, level: "info", message: "draining" };
  }
}

function hostnameFields({ hostname, clientId }: Extract<AgentReport, { readonly type: "hostname_refused" }>) {
  const next = `the server's operator gives it with --hostname ${hostname}=${clientId}; MoosicBox's servers and older ones have no such names`;
  return { hostname, next };
}

function retryFields({
  inMs,
  cause,
  next,
  detail,
}: Extract<AgentReport, { readonly type: "retrying" }>): object {
  return { inMs, cause, ...(next === null ? {} : { next }), ...(detail === null ? {} : { detail }) };
}

function fieldsOf({ type: _, ...rest }: { readonly type: string }): object {
  return rest;
}

function createReportLog<Report extends { readonly type: string }>(
  logger: Logger,
  lineOf: (report: Report) => Line,
): ReportLog<Report> {
  const written = new Map<string, number>();
  let windowEnd: NodeJS.Timeout | undefined;

  function endWindow(): void {
    clearTimeout(windowEnd);
    windowEnd = undefined;
    for (const [kind, count] of written) {
      const omitted = count - LINES_PER_SECOND;
      if (omitted > 0) logger.warn({ kind, omitted }, "lines left out");
    }
    written.clear();
  }

  return {
    write: (report) => {
      const { kind, level, message, fields = fieldsOf(report) } = lineOf(report);
      const count = (written.get(kind) ?? 0) + 1;
      written.set(kind, count);
      windowEnd ??= setTimeout(endWindow, WINDOW_MS).unref();
      if (count > LINES_PER_SECOND) return;
      logger[level](fields, message);
    },
    close: endWindow,
  };
}
