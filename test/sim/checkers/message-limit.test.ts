import { expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import type { ServerEvent } from "../../../core/events.ts";
import { messageLimit } from "../../../sim/checkers/message-limit.ts";
import { open, violationsOf, visitor } from "./server-steps.ts";

test("message_limit measures in bytes", () => {
  const close: ServerEffect = { type: "socket_close", socket: visitor, code: 1009, reason: "limit_message" };
  const say = (text: string): ServerEvent => ({ type: "socket_text", socket: visitor, text });
  const open2 = open(visitor, false);
  expect(violationsOf(messageLimit, [...open2, [3, say("x".repeat(20))]])).toEqual([]);
  expect(violationsOf(messageLimit, [...open2, [3, say("\u00e9".repeat(11))]])).toHaveLength(1);
  expect(violationsOf(messageLimit, [...open2, [3, say("\u00e9".repeat(11)), close]])).toEqual([]);
});
