/**
 * The page around a picture. It is one file that asks nobody for anything: styles, script and data are inside, and a
 * policy in it forbids the rest. What a report needs first stands in the page as text and needs no script.
 */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { targetOf } from "../../faults/index.ts";
import type { Scenario } from "../../scenario/scenario.ts";
import type { PictureData } from "./data.ts";
import type { FaultRecord } from "./recorder.ts";

export type Headline = {
  /** Which scenario it was. */
  readonly title: string;
  readonly outcome: "passed" | "stopped" | "safety" | "liveness" | "crash";
  /** The property that was violated; empty where none was. */
  readonly what: string;
  readonly message: string;
  /** The command that repeats the run. */
  readonly replay: string;
  readonly commit: string;
  readonly numbers: readonly (readonly [name: string, value: string])[];
};

const OUTCOMES: Readonly<Record<Headline["outcome"], string>> = {
  passed: "passed",
  stopped: "stopped as asked",
  safety: "safety violated",
  liveness: "liveness violated",
  crash: "simulator crashed",
};

/** The script's parts, each after those that it imports from. */
const SCRIPT_FILES = [
  "data",
  "layout",
  "marks",
  "draw",
  "minimap",
  "details",
  "lists",
  "stage",
  "main",
] as const;
/** What the template leaves open; in styles and scripts it stands in a comment. */
const SLOTS = /\/\* \{\{(\w+)\}\} \*\/|\{\{(\w+)\}\}/g;
const IMPORTS = /^import [^;]+;$/gm;

export function renderPage(
  headline: Headline,
  scenario: Scenario,
  faults: readonly FaultRecord[],
  data: PictureData,
): string {
  const slots: Readonly<Record<string, string>> = {
    title: escapeHtml(headline.title),
    outcome: headline.outcome,
    outcomeText: OUTCOMES[headline.outcome],
    what: escapeHtml(headline.what),
    message: headline.message === "" ? "" : `<pre class="broke">${escapeHtml(headline.message)}</pre>`,
    numbers: numbersOf(headline),
    replay: escapeHtml(headline.replay),
    faultCount: String(faults.length),
    faultRows: faults.map((record, index) => faultRow(scenario, record, index)).join("\n"),
    scenario: scenarioTables(scenario),
    styles: ["base", "timeline", "panel"].map((name) => textOf(`viewer/${name}.css`)).join("\n"),
    script: viewerScript(),
    data: gzipSync(JSON.stringify(data)).toString("base64"),
  };
  return textOf("viewer/page.html").replace(
    SLOTS,
    (_, inCode: string, inText: string) => slots[inCode ?? inText] ?? "",
  );
}

/** The parts of the script as one: modules cannot import from inside a page, and need not. */
export function viewerScript(): string {
  const parts = SCRIPT_FILES.map((name) =>
    textOf(`viewer/${name}.js`)
      .replace(IMPORTS, "")
      .replace(/^export /gm, "")
      .trim(),
  );
  return `"use strict";\n${parts.join("\n\n")}`;
}

function numbersOf({ numbers, commit }: Headline): string {
  const shown = commit === "" ? numbers : [...numbers, ["commit", commit] as const];
  return shown
    .map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`)
    .join("");
}

function faultRow(scenario: Scenario, { fault, fired, moment }: FaultRecord, index: number): string {
  const { kind, fromMs, toMs, parameters } = fault;
  const values = Object.entries(parameters).map(([name, value]) => `${name} ${value}`);
  const state = moment === null ? "not begun" : `${fired}×`;
  const cells = [kind, targetName(scenario, fault), spanOf(fromMs, toMs), values.join(", "), state];
  const idle = moment === null || fired === 0 ? ' class="idle"' : "";
  return `<tr data-fault="${index}"${idle}>${cells.map((cell) => `<td>${breakable(cell)}</td>`).join("")}</tr>`;
}

function targetName({ homes }: Scenario, { kind, target }: FaultRecord["fault"]): string {
  switch (targetOf(kind)) {
    case "home":
      return homes[target]?.clientId ?? "";
    case "node":
      return `node-${target}`;
    case "visit":
      return `visit ${target}`;
    case "world":
      return kind.startsWith("registry_") ? "registry" : "all";
    case "nobody":
      return "nobody";
  }
}

function spanOf(fromMs: number, toMs: number): string {
  const from = (fromMs / 1000).toFixed(3);
  return fromMs === toMs ? from : `${from} to ${(toMs / 1000).toFixed(3)}`;
}

function scenarioTables({ homes, nodes, faultyMs, settleMs, ...rest }: Scenario): string {
  const { registryLatencyUs, visitorPath, serverLimits, edgeLimits, agentLimits } = rest;
  const world = { nodes, faultyMs, settleMs, registryLatencyUs, visitorPath };
  return [
    valueTable("World", world),
    ...homes.map(({ clientId, ...home }) => valueTable(clientId, home)),
    valueTable("Server limits", serverLimits),
    valueTable("Limits of visitors' connections", edgeLimits ?? {}),
    valueTable("Agent limits", agentLimits),
  ].join("\n");
}

function valueTable(title: string, values: object): string {
  const rows = Object.entries(values).map(
    ([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(valueText(value))}</td></tr>`,
  );
  return `<h3>${escapeHtml(title)}</h3><table class="values">${rows.join("")}</table>`;
}

function valueText(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return Object.entries(value)
    .map(([name, member]) => `${name} ${member}`)
    .join(", ");
}

/** Long names of several words may go on in the next line. */
function breakable(text: string): string {
  return escapeHtml(text).replaceAll("_", "_<wbr>");
}

function textOf(file: string): string {
  return readFileSync(new URL(file, import.meta.url), "utf8");
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
