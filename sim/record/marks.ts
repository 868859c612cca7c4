/**
 * Every situation that a run marks when it comes by: `world.sometimes(mark)`. A CI run must reach all of them, or there
 * is a hole in the scenarios and what is tested there is nothing.
 */
import type { AgentReport, ServerReport } from "../../core/report.ts";

const SERVER_REPORTS = [
  "tunnel_accepted",
  "session_resumed",
  "session_lost",
  "tunnel_ended",
  "upgrade_refused",
  "exchange_ended",
  "agent_protocol_error",
  "registry_failed",
  "registry_recovered",
  "settings_changed",
  "draining",
] as const satisfies readonly ServerReport["type"][];

const AGENT_REPORTS = [
  "registered",
  "connected",
  "reachable",
  "hostname_refused",
  "disconnected",
  "retrying",
  "exchange_failed",
  "moving",
  "server_protocol_error",
  "settings_changed",
  "draining",
] as const satisfies readonly AgentReport["type"][];

const SITUATIONS = [
  "a dial leads to a node that has a link",
  "a drain is finished",
  "a model agent is told to abort",
  "a paused tunnel is read on",
  "a paused upload is read on",
  "a request cannot be read",
  "a response is compressed",
  "a server closes an idle connection",
  "a tunnel is paused",
  "a visitor leaves after the head",
  "a visitor leaves before the head",
  "a visitor leaves inside the body",
  "a visitor's connection is used again",
  "a visitor's upload is paused",
  "a visitor socket is accepted",
  "a visitor socket is refused",
  "an agent drained",
  "an agent gave up",
  "an agent stops reading its home",
  "an interim response is passed on",
  "an upgrade is taken",
  "requests are pipelined",
] as const;

/** A report that has no place in the lists above does not compile where it is marked. */
export type Mark =
  | (typeof SITUATIONS)[number]
  | `the server reports ${(typeof SERVER_REPORTS)[number]}`
  | `the agent reports ${(typeof AGENT_REPORTS)[number]}`;

/** The mark of each report: made once, since they are many. */
export const serverReportMarks = marksOf("server", SERVER_REPORTS);
export const agentReportMarks = marksOf("agent", AGENT_REPORTS);

export const MARKS: readonly Mark[] = [
  ...SITUATIONS,
  ...Object.values(serverReportMarks),
  ...Object.values(agentReportMarks),
];

function marksOf<Who extends string, Type extends string>(
  who: Who,
  types: readonly Type[],
): { readonly [Each in Type]: `the ${Who} reports ${Each}` } {
  const marks: Partial<Record<Type, string>> = {};
  for (const type of types) marks[type] = `the ${who} reports ${type}`;
  return marks as { readonly [Each in Type]: `the ${Who} reports ${Each}` };
}
