/**
 * An agent that keeps several links looks for another node whenever it has fewer than it should and its server has told of more: it
 * dials within the longest wait for what it met, and not while it has as many as there are. It leaves none on its own account but
 * for one to the same node, and a dial that leads to a node that it has a link to costs it none.
 */
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent } from "../../core/events.ts";
import type { AgentLimits } from "../../core/limits.ts";
import type { Property } from "../record/checker.ts";
import type { HomeSpec } from "../scenario/scenario.ts";
import { headerOf } from "../tools/headers.ts";
import { KIND, NATIVE_HEADER_BYTES, readGreeting } from "../wire/native.ts";
import { ofEachProcess } from "./of-each-process.ts";
import { homeOfLinks } from "./of-one-link.ts";

/** An agent that meets nodes which it has links to is content for so long. */
const CONTENT_MS = 60_000;
/** All else that may come between: turns, timers that are late. */
const LATE_MS = 5_000;
const SUPERSEDED = 4001;

type Links = {
  /** Sockets that were welcomed and not lost, each with its node; null where it is not of several. */
  readonly welcomed: Map<number, unknown>;
  readonly older: Set<number>;
  /** Dialled and not yet welcomed. */
  readonly dialled: Set<number>;
  others: number;
  /** A dial is due then. */
  dueMs: number;
  stops: boolean;
};

export const linksKept: Property = {
  name: "links_kept",
  create: (violate, judged) => {
    let homes: readonly HomeSpec[] = [];
    let limits: AgentLimits | null = null;
    const linksOf = ofEachProcess(
      (): Links => ({
        welcomed: new Map(),
        older: new Set(),
        dialled: new Set(),
        others: 0,
        dueMs: Number.POSITIVE_INFINITY,
        stops: false,
      }),
    );
    return {
      begun: ({ scenario, agentLimits }) => {
        homes = scenario.homes;
        limits = agentLimits;
      },
      agentStep: (process, event, effects, count) => {
        const home = homeOfLinks(homes, process.name);
        if (home === null || limits === null) return;
        const links = linksOf(process);
        const { nowMs } = process;
        const wanted = () => Math.min(home.links ?? 1, 1 + links.others);
        const wantedBefore = wanted();
        const wasDue = nowMs > links.dueMs;
        const hasChanged = hear(links, event);
        let dials = false;
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          const untold = effect === undefined ? [] : untoldIn(links, effect);
          if (untold.length > 0)
            violate(
              "safety",
              `${process.name} dials, and may lose its link to ${untold[0]}, which it does not name`,
            );
          if (effect !== undefined) dials = obey(links, effect) || dials;
        }
        const isMeeting = event.type === "socket_refused" && event.body.includes("already_linked");
        if (isMeeting && effects.slice(0, count).some((effect) => effect?.type === "socket_close"))
          violate("safety", `${process.name} leaves a link since a dial led to a node that has one`);
        if (event.type === "tick" && wasDue && !links.stops && !dials && wantedBefore > links.welcomed.size) {
          const has = links.welcomed.size;
          violate("liveness", `${process.name} has ${has} of ${wantedBefore} links and looks for no other`);
        }
        judged();
        const { size } = links.welcomed;
        const isShort = size > 0 && size < wanted() && links.dialled.size === 0;
        if (!isShort) links.dueMs = Number.POSITIVE_INFINITY;
        else if (hasChanged || dials || links.dueMs === Number.POSITIVE_INFINITY)
          links.dueMs = nowMs + Math.max(CONTENT_MS, 1.5 * limits.retryDownMs) + LATE_MS;
      },
    };
  },
};

/** Whether a dial or a link has come to something. */
function hear(links: Links, event: AgentEvent): boolean {
  switch (event.type) {
    case "drain_requested":
      links.stops = true;
      return true;
    case "socket_bytes": {
      const members = readGreeting(event.bytes);
      if (event.bytes[0] === KIND.welcome && links.dialled.delete(event.socket)) {
        links.welcomed.set(event.socket, members?.node ?? null);
        return true;
      }
      if (event.bytes[0] === KIND.drain && event.bytes.length === NATIVE_HEADER_BYTES) {
        if (links.welcomed.delete(event.socket)) links.older.add(event.socket);
        return true;
      }
      if (event.bytes[0] !== KIND.nodes || !Array.isArray(members?.nodes)) return false;
      links.others = members.nodes.length;
      return true;
    }
    case "socket_refused":
    case "socket_failed":
      return links.dialled.delete(event.socket);
    case "socket_closed":
      // Another agent has the home: this one waits.
      if (event.code === SUPERSEDED) links.others = 0;
      return lose(links, event.socket);
    default:
      return false;
  }
}

/** The nodes that it has links to and does not name in a handshake: any of them would take it for a newer tunnel. */
function untoldIn({ welcomed }: Links, effect: AgentEffect): readonly unknown[] {
  if (effect.type !== "socket_connect") return [];
  const told = headerOf(effect.headers, "culvert-linked")?.split(", ") ?? [];
  return [...welcomed.values()].filter((node) => typeof node === "string" && !told.includes(node));
}

/** Whether it dials. */
function obey(links: Links, effect: AgentEffect): boolean {
  if (effect.type === "socket_close" || effect.type === "socket_terminate") lose(links, effect.socket);
  if (effect.type !== "socket_connect") return false;
  links.dialled.add(effect.socket);
  return true;
}

function lose({ welcomed, older, dialled }: Links, socket: number): boolean {
  older.delete(socket);
  return welcomed.delete(socket) || dialled.delete(socket);
}
