/** One request to an origin: what was ordered, how far it has come, and its form for Node. */
import http, { type ClientRequest, type IncomingMessage } from "node:http";
import type { AgentEffect } from "../core/effects.ts";
import type { HeaderList } from "../core/http/headers.ts";
import type { ExchangeId } from "../core/ids.ts";
import type { Endpoint } from "./endpoint.ts";
import { HEAD_BYTES_MAX, isPeerGone } from "./origin-connection.ts";
import type { OriginPool } from "./origin-pool.ts";
import type { UpgradedConnection } from "./origin-upgrade.ts";

export type OriginRequest = Extract<AgentEffect, { readonly type: "origin_request" }>;

export type OriginService = { readonly endpoint: Endpoint; readonly pool: OriginPool };

/** One `origin_request` until its terminal event. A class, because spreading the order into an object costs far more. */
export class Call {
  readonly exchange: ExchangeId;
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderList;
  readonly upgrade: boolean;
  readonly bodyBytes: number | null;
  readonly service: OriginService;
  /** Whole bodies are let go of when the answer comes, which may take hours to end. */
  body: OriginRequest["body"];
  /** Body bytes that a declared length still has room for. */
  bytesLeft: number | null;
  request: ClientRequest | null = null;
  /** Whether anything has come of the answer, so that the origin is known to have seen the request. */
  answered = false;
  /** Set when the final head has come. */
  response: IncomingMessage | null = null;
  /** Set when the origin has switched protocols, as it was asked to. */
  upgraded: UpgradedConnection | null = null;
  paused = false;
  isOver = false;

  constructor(order: OriginRequest, service: OriginService) {
    this.exchange = order.exchange;
    this.method = order.method;
    this.target = order.target;
    this.headers = order.headers;
    this.upgrade = order.upgrade;
    this.bodyBytes = order.bodyBytes;
    this.service = service;
    this.body = order.body;
    this.bytesLeft = order.bodyBytes;
  }
}

/** Throws where HTTP cannot carry it. Its head waits for the first bytes of the body, or the end. */
export function composeRequest(call: Call): ClientRequest {
  const { service, method, target, headers: given, body, bodyBytes, upgrade } = call;
  const { endpoint, pool: agent } = service;
  // Behind the others: Node would otherwise rewrite a Content-Disposition that is not ASCII.
  let headers = given;
  if (body === "streamed" && bodyBytes === null) headers = [...given, "Transfer-Encoding", "chunked"];
  else if (body === "streamed") headers = [...given, "Content-Length", String(bodyBytes)];
  else if (body !== null) headers = [...given, "Content-Length", String(body.length)];
  else if (!upgrade && !BODILESS_METHODS.has(method)) headers = [...given, "Content-Length", "0"];
  const path = target === "*" ? target : endpoint.basePath + target;
  if (method === method.toUpperCase()) {
    // Node copies these twice for each request, so there are no more of them than needed.
    return http.request({
      agent,
      method,
      path,
      headers,
      maxHeaderSize: HEAD_BYTES_MAX,
      insecureHTTPParser: false,
    });
  }
  // Node writes the method in upper case into a head that it is given as a list, and methods are case-sensitive
  // (RFC 9110 section 9.1). A head made of single headers is written later, with the method that stands here.
  const request = http.request({
    agent,
    method,
    path,
    setHost: false,
    maxHeaderSize: HEAD_BYTES_MAX,
    insecureHTTPParser: false,
  });
  request.method = method;
  for (let at = 0; at < headers.length; at += 2)
    request.appendHeader(headers[at] ?? "", headers[at + 1] ?? "");
  return request;
}

/**
 * Whether the request met a pooled connection that the origin was just closing (RFC 9112 section 9.3.1). Repeating ends
 * by itself: each attempt uses up one pooled connection, and a fresh one is never taken for stale.
 */
export function isStaleConnection(call: Call, request: ClientRequest, error: Error): boolean {
  return (
    request.reusedSocket &&
    !call.answered &&
    call.body === null &&
    REPEATABLE_METHODS.has(call.method) &&
    isPeerGone(error)
  );
}

/** Methods that anticipate no content, so that its absence needs no `Content-Length` (RFC 9110 section 8.6). */
const BODILESS_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"]);

/** Safe methods: sent twice, they still do nothing (RFC 9110 section 9.2.1). With a body, they may well. */
const REPEATABLE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
