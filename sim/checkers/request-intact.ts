/** What a home is asked is what its visitor asked: the same method, path, query, range and accept. */
import { headerOf } from "../visitor.ts";
import type { Property } from "./checker.ts";
import { parsedTarget } from "./credential.ts";
import type { LedgerExchange } from "./ledger-exchange.ts";

type Frame = {
  readonly request_id?: unknown;
  readonly method?: unknown;
  readonly path?: unknown;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly profile?: unknown;
};

export const requestIntact: Property = {
  name: "request_intact",
  create: (violate, judged) => ({
    serverStep: ({ name, ledger }, _event, effects, count) => {
      if (ledger.asked.length === 0) return;
      for (let index = 0; index < count; index++) {
        const effect = effects[index];
        if (effect?.type !== "socket_send_text" || !effect.text.startsWith('{"type":"HTTP"')) continue;
        const frame: Frame = JSON.parse(effect.text);
        const exchange = ledger.asked.find(({ requestId }) => requestId === frame.request_id);
        if (exchange === undefined) continue;
        judged();
        const altered = alteredIn(frame, exchange);
        if (altered !== null)
          violate("safety", `${name} sent exchange ${exchange.id} on with another ${altered}`);
      }
    },
  }),
};

function alteredIn(frame: Frame, { opened }: LedgerExchange): string | null {
  const { path, query } = parsedTarget(opened.target);
  if (frame.method !== opened.method) return "method";
  if (frame.path !== path) return "path";
  const sent = new Map(Object.entries(frame.query ?? {}).map(([key, value]) => [key.toLowerCase(), value]));
  // A magic token goes on alone: what else is in the query was meant for the server.
  const wanted =
    path === "auth/magic-token" ? [...query].filter(([key]) => key === "magictoken") : [...query];
  if (sent.size !== wanted.length || wanted.some(([key, value]) => sent.get(key) !== value)) return "query";
  const isConditional = headerOf(opened.headers, "if-range") !== undefined;
  const range = isConditional ? undefined : headerOf(opened.headers, "range");
  if (frame.headers?.range !== range) return "range";
  const profile = query.get("moosicboxprofile") ?? headerOf(opened.headers, "moosicbox-profile") ?? null;
  if (frame.profile !== profile) return "profile";
  if (frame.headers?.accept !== headerOf(opened.headers, "accept")) return "accept";
  return null;
}
