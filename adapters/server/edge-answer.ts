/**
 * What a visitor is told before there is an exchange: the request could not be read, or is of a kind that never reaches
 * the core. Short, the same for everybody, and the end of the connection.
 */
import { STATUS_CODES } from "node:http";
import { type FailureCode, failureOf } from "../../core/failure.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import { renderProblem } from "../../core/http/problem.ts";

export type EdgeAnswer = {
  readonly status: number;
  /** Frame the body; whoever sends them adds that the connection closes. */
  readonly headers: string[];
  readonly body: Uint8Array;
};

export const EDGE_ANSWERS = {
  badRequest: ofFailure("bad_request"),
  methodNotAllowed: ofFailure("method_not_allowed"),
  requestTimeout: ofFailure("request_timeout"),
  /** RFC 6455 section 4.2.2 wants the versions named that would do. */
  badHandshake: ofFailure("bad_request", ["sec-websocket-version", "13"]),
  expectationFailed: ofFailure("expectation_failed"),
  headersTooLarge: ofFailure("limit_request_headers"),
} as const satisfies Record<string, EdgeAnswer>;

/** The answer to what the HTTP parser refused, by the code of its error. */
export function answerToParserError(code: string): EdgeAnswer {
  if (code === "HPE_HEADER_OVERFLOW") return EDGE_ANSWERS.headersTooLarge;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return EDGE_ANSWERS.requestTimeout;
  return EDGE_ANSWERS.badRequest;
}

/** A response as it goes on the wire, for a socket that `node:http` does not answer on. It announces the close. */
export function responseBytes(status: number, headers: HeaderList, body: Uint8Array): Uint8Array {
  const line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}\r\n`;
  const date = `date: ${new Date().toUTCString()}\r\n`;
  const head = `${line}${date}${headerLines(headers)}connection: close\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), body]);
}

/** Header fields as they go on the wire, in Latin-1. */
export function headerLines(headers: HeaderList): string {
  let lines = "";
  for (let index = 0; index < headers.length; index += 2) {
    lines += `${headers[index]}: ${headers[index + 1]}\r\n`;
  }
  return lines;
}

function ofFailure(code: FailureCode, headers: HeaderList = []): EdgeAnswer {
  const { status, title } = failureOf(code);
  const problem = { status, code, title, detail: null, requestId: null, retryAfterSeconds: null };
  const response = renderProblem(problem, false);
  return { status, headers: [...response.headers, ...headers], body: response.body };
}
