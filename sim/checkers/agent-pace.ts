/** The pace of the tunnel is the pace of the home: above the high mark no answer is read, at the low mark all are again. */
import type { AgentLimits } from "../../core/limits.ts";
import type { AgentEffect, Property } from "./checker.ts";

type Pace = {
  unsentBytes: number;
  congested: boolean;
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
        if (event.type === "socket_opened" || event.type === "socket_closed") processes.set(name, newPace());
        if (event.type === "socket_flushed") pace.unsentBytes -= event.bytes;
        if (event.type === "origin_head") pace.origins.set(event.exchange, false);
        if (event.type === "origin_ended" || event.type === "origin_failed")
          pace.origins.delete(event.exchange);
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

function newPace(): Pace {
  return { unsentBytes: 0, congested: false, origins: new Map() };
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
    case "origin_abort":
      pace.origins.delete(effect.exchange);
      break;
    default:
  }
}
