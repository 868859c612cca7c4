/** No token is in anything that people read or strangers get: reports, problems, reasons of a close. */
import type { AgentEffect, ServerEffect } from "../../core/effects.ts";
import type { Property } from "../record/checker.ts";
import { latin1Text } from "../tools/text.ts";

/** The shape of every token in a run. */
const TOKEN = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/;
const TOKEN_LENGTH = 36;

export const noSecrets: Property = {
  name: "no_secrets",
  create: (violate, judged) => {
    const judge = (
      name: string,
      effects: readonly (ServerEffect | AgentEffect | undefined)[],
      count: number,
    ): void => {
      for (let index = 0; index < count; index++) {
        const effect = effects[index];
        if (effect === undefined) continue;
        const isTelling = effect.type === "report" ? tells(effect.report) : showsToken(publicText(effect));
        if (isTelling === null) continue;
        judged();
        if (isTelling) violate("safety", `${name} shows a token in its ${effect.type}`);
      }
    };
    return {
      sees: ["report", "socket_close", "stopped", "upgrade_refuse", "respond"],
      serverStep: ({ name }, _event, effects, count) => judge(name, effects, count),
      agentStep: ({ name }, _event, effects, count) => judge(name, effects, count),
    };
  },
};

/** Whether there is a token in the text; null where there is no text. */
function showsToken(text: string | null): boolean | null {
  return text === null ? null : text.length >= TOKEN_LENGTH && TOKEN.test(text);
}

/** Whether a report tells a token, however deep in it; they are many, and most of what they say is too short for one. */
function tells(said: object): boolean {
  const members = said as Readonly<Record<string, unknown>>;
  for (const name in members) {
    const value = members[name];
    if (typeof value === "string") {
      if (showsToken(value) === true) return true;
    } else if (typeof value === "object" && value !== null && tells(value)) return true;
  }
  return false;
}

/** What others than the token's owner may come to see of an effect. */
function publicText(effect: ServerEffect | AgentEffect): string | null {
  switch (effect.type) {
    case "socket_close":
      return effect.reason;
    case "stopped":
      return effect.failure;
    case "upgrade_refuse":
      return `${effect.headers.join("\n")}\n${textOf([effect.body])}`;
    case "respond":
      return effect.status < 400 ? null : `${effect.headers.join("\n")}\n${textOf(effect.body)}`;
    default:
      return null;
  }
}

/** Of a problem; a home's own failing answer may be long, and is nobody's secret. */
function textOf(parts: readonly Uint8Array[]): string {
  let text = "";
  for (const part of parts) text += latin1Text(part.subarray(0, 2_000));
  return text;
}
