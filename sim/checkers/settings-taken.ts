/**
 * Who may visit is what the person at home said last: an agent that is told otherwise while it runs says so in every handshake from
 * then on, and leaves a tunnel of the native protocol at once, whose handshake said something else.
 */
import type { AgentEffect } from "../../core/effects.ts";
import type { Property } from "../record/checker.ts";
import { headerOf } from "../tools/headers.ts";
import { ofEachProcess } from "./of-each-process.ts";

class Told {
  /** Null until it was told anything. */
  access: string | null = null;
  /** What the latest handshake said; null for one that a signature opened. */
  said: string | null = null;
  isNative = false;
}

export const settingsTaken: Property = {
  name: "settings_taken",
  create: (violate, judged) => {
    const toldTo = ofEachProcess(() => new Told());
    return {
      sees: ["settings_changed", "socket_connect", "socket_closed", "report", "socket_terminate"],
      agentStep: (process, event, effects, count) => {
        const told = toldTo(process);
        const isTold = event.type === "settings_changed";
        const leaves = isTold && told.isNative && told.said !== event.settings.access;
        if (isTold) told.access = event.settings.access;
        let hasLeft = false;
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "socket_terminate") hasLeft = true;
          if (effect?.type === "report") note(told, effect.report);
          if (effect?.type !== "socket_connect") continue;
          told.said = saidBy(effect);
          if (told.access === null || told.said === null) continue;
          judged();
          if (told.said !== told.access) {
            violate(
              "safety",
              `${process.name} says that ${told.said} may visit, and was told ${told.access}`,
            );
          }
        }
        if (!leaves) return;
        judged();
        if (!hasLeft)
          violate("safety", `${process.name} stays on a tunnel that says that ${told.said} may visit`);
      },
    };
  },
};

function note(told: Told, report: Extract<AgentEffect, { readonly type: "report" }>["report"]): void {
  if (report.type === "connected") told.isNative = report.protocol === "native";
  if (["disconnected", "draining", "moving"].includes(report.type)) told.isNative = false;
}

function saidBy({ headers }: Extract<AgentEffect, { readonly type: "socket_connect" }>): string | null {
  if (headerOf(headers, "authorization") === undefined) return null;
  return headerOf(headers, "culvert-access") ?? "token";
}
