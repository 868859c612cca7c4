/**
 * What a visitor is told: the server's own answers, problems, and the cut that marks a body as broken. Every response
 * carries the CORS headers that its request earned.
 */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import { type ExchangeOutcome, type FailureCode, failureOf } from "../../failure.ts";
import { corsHeaders } from "../../http/cors.ts";
import type { HeaderList } from "../../http/headers.ts";
import { headerValue, withoutHeaders } from "../../http/headers.ts";
import { prefersHtml, problemResponse } from "../../http/problem.ts";
import { closeFrame, type FrameTracker } from "../../http/websocket-frames.ts";
import type { Outbox } from "../../outbox.ts";
import { encodeUtf8 } from "../../wire/utf8.ts";
import { markFields } from "../peer/mark.ts";
import type { Exchange } from "../state/exchange.ts";
import type { ServerState } from "../state/server.ts";
import { hold } from "./held.ts";

/** None on a home's own name: there the home's service answers for itself. */
export function corsOf(state: ServerState, exchange: Exchange): HeaderList {
  if (exchange.route.forward.way !== "query" || exchange.hop !== null) return [];
  return corsHeaders(headerValue(exchange.request.headers, "origin"), state.config.corsOrigins);
}

/** Answers with a small JSON value of the server's own. */
export function respondJson(
  state: ServerState,
  exchange: Exchange,
  value: object,
  out: Outbox<ServerEffect>,
): void {
  const body = encodeUtf8(JSON.stringify(value));
  respondWhole(
    state,
    exchange,
    {
      status: 200,
      headers: [
        "content-type",
        "application/json",
        "content-length",
        String(body.length),
        "cache-control",
        "no-store",
      ],
      body: exchange.request.method === "HEAD" ? [] : [body],
    },
    out,
  );
}

/** Answers with the problem of a failure: JSON, or a page for a browser. Headers of `extra` replace the problem's own. */
export function respondProblem(
  state: ServerState,
  exchange: Exchange,
  code: FailureCode,
  extra: { readonly detail?: string; readonly headers?: HeaderList },
  out: Outbox<ServerEffect>,
): void {
  if (exchange.hop !== null) return respondToPeer(state, exchange, code, extra, out);
  const problem = problemResponse(code, {
    requestId: state.config.idBase + exchange.id,
    html: prefersHtml(exchange.request.headers),
    docsUrl: state.config.docsUrl,
    // 424 is MoosicBox's word for it, which browsers and proxies do not know.
    ...(code === "agent_not_connected" && exchange.route.forward.way !== "query" ? { status: 503 } : {}),
    ...(extra.detail === undefined ? {} : { detail: extra.detail }),
  });
  respondWhole(
    state,
    exchange,
    {
      status: problem.status,
      headers: replaced(problem.headers, extra.headers ?? []),
      body: exchange.request.method === "HEAD" ? [] : [problem.body],
    },
    out,
  );
}

/**
 * The node that sent the request tells its visitor what failed. Where the home was waited for here in vain, nobody was asked, and it
 * may be at that very node by now.
 */
function respondToPeer(
  state: ServerState,
  exchange: Exchange,
  code: FailureCode,
  { detail = null, headers = [] }: { readonly detail?: string | null; readonly headers?: HeaderList },
  out: Outbox<ServerEffect>,
): void {
  const isAway = code === "misdirected" || (code === "agent_not_connected" && detail === null);
  const mark = isAway ? ({ type: "misdirected" } as const) : ({ type: "failed", code, detail } as const);
  const { status } = failureOf(isAway ? "misdirected" : code);
  const told = [...headers, ...markFields(mark), "content-length", "0"];
  respondWhole(state, exchange, { status, headers: told, body: [] }, out);
}

/**
 * Ends a WebSocket between two frames of the home: a close frame with the failure's code, and its name as the reason. Where the
 * home has said its own close, nothing may follow that.
 */
export function respondClose(
  state: ServerState,
  exchange: Exchange,
  frames: FrameTracker,
  code: FailureCode,
  out: Outbox<ServerEffect>,
): void {
  if (!frames.isClosed) write(state, exchange, closeFrame(failureOf(code).closeCode, code), false, out);
  out.push({ type: "respond_end", exchange: exchange.id, trailers: [] });
}

function replaced(headers: HeaderList, by: HeaderList): HeaderList {
  if (by.length === 0) return headers;
  return [...withoutHeaders(headers, (name) => headerValue(by, name) !== undefined), ...by];
}

/** Orders a whole response in one effect. The headers frame the body already. */
export function respondWhole(
  state: ServerState,
  exchange: Exchange,
  response: {
    readonly status: number;
    readonly headers: HeaderList;
    readonly body: readonly Uint8Array[];
  },
  out: Outbox<ServerEffect>,
): void {
  assert(!exchange.headSent, "a response follows another one");
  exchange.headSent = true;
  exchange.status = response.status;
  for (const part of response.body) countWritten(state, exchange, part.length);
  const respond = {
    type: "respond",
    exchange: exchange.id,
    status: response.status,
    headers: [...response.headers, ...corsOf(state, exchange)],
    body: response.body,
    close: exchange.request.hasBody && !exchange.requestRead,
  } as const;
  if (exchange.passesAuthorization !== null) out.push(respond);
  else out.push({ ...respond, unserved: true });
}

/** Writes some of the body. `lastUse`: nobody else needs any of the buffer that the bytes are of. */
export function write(
  state: ServerState,
  exchange: Exchange,
  bytes: Uint8Array,
  lastUse: boolean,
  out: Outbox<ServerEffect>,
): void {
  countWritten(state, exchange, bytes.length);
  if (lastUse) out.push({ type: "respond_body", exchange: exchange.id, bytes, lastUse });
  else out.push({ type: "respond_body", exchange: exchange.id, bytes });
}

/** Bytes of a body were ordered to be written: they are held until the adapter says that they have left. */
function countWritten(state: ServerState, exchange: Exchange, bytes: number): void {
  exchange.unflushedBytes += bytes;
  hold(state, exchange, bytes);
  exchange.bytesOut += bytes;
  state.counters.bytesOut += bytes;
}

export function countOutcome(state: ServerState, outcome: ExchangeOutcome): void {
  state.counters.outcomes.set(outcome, (state.counters.outcomes.get(outcome) ?? 0) + 1);
}
