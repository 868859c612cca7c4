/** What a home is asked is what its visitor asked: the same method, path, query, range and accept. */
import type { LedgerExchange } from "../ledger/exchange.ts";
import { type Place, parsedTarget } from "../ledger/place.ts";
import type { Property } from "../record/checker.ts";
import { isForwardingField } from "../scenario/forwarding.ts";
import { cookiesForHome } from "../scenario/session.ts";
import { headerOf } from "../tools/headers.ts";
import { readNativeFrame, readRequestHead, type SeenRequestHead } from "../wire/native.ts";

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
    sees: ["socket_send_packet", "socket_send_text"],
    serverStep: ({ name, ledger }, _event, effects, count) => {
      if (ledger.asked.length === 0) return;
      for (let index = 0; index < count; index++) {
        const effect = effects[index];
        if (effect?.type === "socket_send_packet") {
          const native = nativeFrameIn(effect.header, ledger.asked);
          if (native === null) continue;
          judged();
          const altered = alteredInHead(native.head, native.exchange);
          if (altered !== null)
            violate("safety", `${name} sent exchange ${native.exchange.id} on with another ${altered}`);
        }
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

function nativeFrameIn(
  header: Uint8Array,
  asked: readonly LedgerExchange[],
): { readonly head: SeenRequestHead; readonly exchange: LedgerExchange } | null {
  const frame = readNativeFrame(header);
  const exchange = frame?.hasHead === true ? asked.find(({ id }) => id === frame.exchange) : undefined;
  if (frame === null || exchange === undefined) return null;
  return { head: readRequestHead(header, frame.headAt), exchange };
}

function alteredInHead(head: SeenRequestHead, { opened, place }: LedgerExchange): string | null {
  const { path, query } = parsedTarget(opened.target);
  const isMagic = path === "auth/magic-token";
  const target = isMagic
    ? `/auth/magic-token?magicToken=${query.get("magictoken")}`
    : place.target.replace(/^https?:\/\/[^/?]*\/?/, "/");
  if (head.method !== opened.method) return "method";
  if (head.target !== target) return `target, ${head.target}`;
  if (head.upgrade !== opened.upgrade) return "upgrade";
  if (head.peer !== opened.peer) return "peer";
  let at = 0;
  for (let index = 0; index + 1 < opened.headers.length; index += 2) {
    const field = opened.headers[index] ?? "";
    if (!isEndToEnd(field.toLowerCase())) continue;
    const value = opened.headers[index + 1] ?? "";
    const wanted = wantedAs(field.toLowerCase(), value, place);
    if (wanted === null) continue;
    // In order and spelling, with nothing of the server's between that has the same name.
    while (at < head.headers.length && head.headers[at] !== field) at += 2;
    if (head.headers[at + 1] !== wanted) return `${field}`;
    at += 2;
  }
  return null;
}

/** Null for nothing. A home below a path knows nothing of that. */
function wantedAs(name: string, value: string, { way, clientId }: Place): string | null {
  if (name === "cookie") return cookiesForHome(value);
  return way === "path" && REFERENCES.has(name) ? value.replaceAll(`/t/${clientId}/`, "/") : value;
}

const REFERENCES: ReadonlySet<string> = new Set(["referer", "destination", "if"]);

/** What a home surely gets: no field of one hop, of the server's door, or about who the visitor is. */
function isEndToEnd(name: string): boolean {
  if (isForwardingField(name)) return false;
  return !HOP_FIELDS.has(name) && !name.includes("authorization") && !/^culvert[-_]/.test(name);
}

const HOP_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "upgrade",
  "keep-alive",
  "transfer-encoding",
  "trailer",
  "te",
  "expect",
]);

function alteredIn(frame: Frame, { opened, place }: LedgerExchange): string | null {
  const { path, query } = parsedTarget(place.target);
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
