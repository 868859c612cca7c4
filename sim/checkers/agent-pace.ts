/** The pace of the tunnel is the pace of the home: above the high mark no answer is read, at the low mark all are again. */
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentLimits } from "../../core/limits.ts";
import type { Property } from "../record/checker.ts";

type Pace = {
  /** It speaks the native protocol, whose streams have a pace of their own. */
  native: boolean;
  unsentBytes: number;
  congested: boolean;
  /** Requests whose answer has not begun; what comes of one that was aborted meanwhile changes nothing. */
  readonly asked: Set<number>;
  /** Of each request whose answer has begun: whether it is paused. */
  readonly origins: Map<number, boolean>;
};

export const agentPace: Property = {
  name: "agent_pace",
  create: (violate, judged) => {
    let limits: AgentLimits | null = null;
    const processes = new Map<string, Pace>();
    return {
      begun: ({ agentLimits }) => {
        limits = agentLimits;
      },
      agentStep: ({ name }, event, effects, count) => {
        if (limits === null) return;
        const pace = processes.get(name) ?? newPace();
        processes.set(name, pace);
        if (event.type === "socket_opened" || event.type === "socket_closed") {
          const native = event.type === "socket_opened" ? event.protocol !== null : pace.native;
          processes.set(name, newPace(native));
        }
        if (pace.native) return;
        if (event.type === "socket_flushed") pace.unsentBytes -= event.bytes;
        if (event.type === "origin_head" && pace.asked.delete(event.exchange))
          pace.origins.set(event.exchange, false);
        if (event.type === "origin_ended" || event.type === "origin_failed") forget(pace, event.exchange);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect !== undefined) note(pace, effect);
        }
        if (pace.unsentBytes > limits.sendBytesHigh) pace.congested = true;
        if (pace.unsentBytes <= limits.sendBytesLow) pace.congested = false;
        if (event.type === "tick" || processes.get(name) !== pace) return;
        for (const [exchange, paused] of pace.origins) {
          judged();
          if (paused === pace.congested) continue;
          const state = paused ? "does not read" : "reads on";
          violate("safety", `${name} ${state} exchange ${exchange} with ${pace.unsentBytes} unsent bytes`);
        }
      },
    };
  },
};

function newPace(native = false): Pace {
  return { native, unsentBytes: 0, congested: false, asked: new Set(), origins: new Map() };
}

function forget({ asked, origins }: Pace, exchange: number): void {
  asked.delete(exchange);
  origins.delete(exchange);
}

function note(pace: Pace, effect: AgentEffect): void {
  switch (effect.type) {
    case "socket_send_packet":
      pace.unsentBytes += effect.body.reduce((sum, part) => sum + part.length, effect.header.length);
      break;
    case "socket_send_text":
      pace.unsentBytes += effect.text.length;
      break;
    case "origin_pause":
      if (pace.origins.has(effect.exchange)) pace.origins.set(effect.exchange, effect.paused);
      break;
    case "origin_request":
      pace.asked.add(effect.exchange);
      break;
    case "origin_abort":
      forget(pace, effect.exchange);
      break;
    default:
  }
}
