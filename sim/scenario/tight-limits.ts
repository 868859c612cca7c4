import { type ServerLimits, serverLimits } from "../../core/limits.ts";

/** What some runs have so small that ordinary work may reach it. */
const TIGHT = [
  "tunnelsMax",
  "visitorSocketsMax",
  "exchangesMax",
  "tunnelExchangesMax",
  "requestBodyBytesMax",
  "responseHeaderBytesMax",
  "visitorMessageBytesMax",
  "parkedPacketsMax",
  "parkedBytesMax",
  "heldBytesHard",
  "heldBytesTotal",
  "responseBufferBytesMax",
  "registryCallsMax",
  "tunnelSendBytesMax",
  "visitorSendBytesMax",
  "waitingMax",
] as const satisfies readonly (keyof ServerLimits)[];

/** The smallest that the other draws make of them. */
const LOOSE: ServerLimits = { ...serverLimits, requestBodyBytesMax: 64 * 1024 };

/** Whether ordinary work may reach one of the limits. */
export function isTight(limits: ServerLimits): boolean {
  return TIGHT.some((name) => limits[name] < LOOSE[name]);
}
