/**
 * A process that holds many light agents: the agents' own machine and sockets, with nothing behind them. Each says that it
 * comes from an address of its own, as behind a proxy, since of one address few are let in at a time. Orders over the
 * channel, each answered once: `prepare` registers clients, `begin` starts an agent for each, `watch` waits until all have
 * lost their tunnel and are back.
 */

import { Dialler } from "../../adapters/agent/dialler.ts";
import { AgentSockets } from "../../adapters/agent/web-sockets.ts";
import { monotonicNowMs } from "../../adapters/clock.ts";
import { Driver } from "../../adapters/driver.ts";
import { type AgentState, agentDeadlineMs, createAgent, stepAgent } from "../../core/agent.ts";
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent } from "../../core/events.ts";
import { agentLimits } from "../../core/limits.ts";
import type { AgentReport } from "../../core/report.ts";
import { registerClient } from "../demo/culvert.ts";

export type LightAgentsOrder =
  | { readonly type: "prepare"; readonly url: string; readonly accessToken: string; readonly count: number }
  | { readonly type: "begin"; readonly url: string; readonly number: number }
  | { readonly type: "watch" };

export type LightAgentsAnswer = {
  /** Tunnels that stand. */
  readonly open: number;
  /** By each agent that is back: when, on the clock of the machine. */
  readonly backAtMs: readonly number[];
  /** How often each cause made an agent try again since the last order. */
  readonly causes: Readonly<Record<string, number>>;
  /** Why not all is as it was ordered; null where it is. */
  readonly fault: string | null;
};

type Prepared = { readonly clientId: string; readonly clientToken: string };

const prepared: Prepared[] = [];
const causes = new Map<string, number>();
let agents = 0;
let open = 0;
/** Agents that are to connect anew, while somebody waits for that. */
let backAtMs: number[] = [];
let onBack: (() => void) | null = null;

process.on("message", async (order: LightAgentsOrder) => {
  causes.clear();
  backAtMs = [];
  let fault: string | null = null;
  try {
    if (order.type === "prepare") await prepare(order);
    else {
      const all = allBack();
      if (order.type === "begin") begin(order);
      await all;
    }
  } catch (error) {
    fault = error instanceof Error ? error.message : String(error);
  }
  const answer = { open, backAtMs, causes: Object.fromEntries(causes), fault };
  process.send?.(answer satisfies LightAgentsAnswer);
});
process.on("disconnect", () => process.exit());
console.log("ready");

async function prepare(order: Extract<LightAgentsOrder, { readonly type: "prepare" }>): Promise<void> {
  let left = order.count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const clientId = crypto.randomUUID();
      prepared.push({ clientId, clientToken: await registerClient(order, clientId) });
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
}

function begin({ url, number }: Extract<LightAgentsOrder, { readonly type: "begin" }>): void {
  const server = new URL(url);
  const dialler = new Dialler({ server });
  for (const [index, client] of prepared.entries()) {
    agents++;
    startLightAgent(client, { server, dialler, address: `10.${number}.${index >> 8}.${index & 0xff}` });
  }
}

function allBack(): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      onBack = null;
      reject(
        new Error(`${backAtMs.length} of ${prepared.length} agents were back after ${WATCH_MS / 1000} s`),
      );
    }, WATCH_MS);
    onBack = () => {
      if (backAtMs.length < prepared.length) return;
      clearTimeout(timer);
      onBack = null;
      resolve();
    };
  });
}

const WATCH_MS = 120_000;

function startLightAgent(
  { clientId, clientToken }: Prepared,
  { server, dialler, address }: { readonly server: URL; readonly dialler: Dialler; readonly address: string },
): void {
  const driver = new Driver<AgentState, AgentEvent, AgentEffect>({
    state: createAgent({
      clientId,
      clientToken,
      accessToken: null,
      invite: null,
      protocol: "native",
      access: "token",
      hostname: null,
      origins: [{ prefix: "/", authority: "nobody.invalid" }],
      hostHeader: { type: "origin" },
      headers: [],
      docsUrl: null,
      exitOnError: false,
      links: 1,
      limits: agentLimits,
      instance: agents.toString(16).padStart(32, "0"),
      seed: agents,
    }),
    step: stepAgent,
    deadlineMs: agentDeadlineMs,
    perform,
    nowMs: monotonicNowMs,
    onFatal: (error) => {
      throw error;
    },
  });
  const sockets = new AgentSockets({
    server,
    dialler,
    messageBytesMax: agentLimits.tunnelMessageBytesMax,
    dispatch: (event) => driver.dispatch(event),
  });

  function perform(effect: AgentEffect): void {
    switch (effect.type) {
      case "socket_connect":
        sockets.perform({ ...effect, headers: [...effect.headers, "x-forwarded-for", address] });
        break;
      case "socket_send_text":
      case "socket_send_packet":
      case "socket_ping":
      case "socket_close":
      case "socket_terminate":
        sockets.perform(effect);
        break;
      case "report":
        note(effect.report);
        break;
      case "stopped":
        throw new Error(`an agent stopped: ${effect.failure}`);
      default:
        throw new Error(`an idle agent orders ${effect.type}`);
    }
  }

  driver.dispatch({ type: "tick" });
}

function note(report: AgentReport): void {
  if (report.type === "disconnected") open--;
  if (report.type === "retrying") causes.set(report.cause, (causes.get(report.cause) ?? 0) + 1);
  if (report.type !== "connected") return;
  open++;
  backAtMs.push(Date.now());
  onBack?.();
}
