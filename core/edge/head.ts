/** What a request's head says of the message itself: whom it is for, how it wants to go on, and whether the connection stays. */
import type { FailureCode } from "../failure.ts";
import { type HeaderList, headerValues } from "../http/headers.ts";
import { hasElement } from "../http/lists.ts";
import type { RequestHead } from "../http1/request-reader.ts";

/** What becomes of a request before the server hears of it. */
export type Admission =
  | { readonly type: "request"; readonly expectsContinue: boolean }
  /** A WebSocket handshake that is well-formed by RFC 6455 section 4.2.1. */
  | { readonly type: "handshake" }
  | { readonly type: "refused"; readonly code: FailureCode; readonly headers: HeaderList };

export function admit(head: RequestHead): Admission {
  const { method, headers, minorVersion } = head;
  // RFC 9112 section 3.2: everybody who reads this head must see it name the same host.
  const hosts = headerValues(headers, "host").length;
  if (hosts > 1 || (hosts === 0 && minorVersion > 0)) return refused("bad_request");
  if (method === "CONNECT") return refused("method_not_allowed");
  if (asksForWebSocket(headers)) {
    // RFC 6455 section 4.2.2 wants the versions named that would do.
    return isHandshake(head)
      ? { type: "handshake" }
      : refused("bad_request", ["sec-websocket-version", "13"]);
  }
  const expected = headerValues(headers, "expect");
  if (expected.length === 0 || minorVersion === 0) return { type: "request", expectsContinue: false };
  if (expected.some((each) => each.toLowerCase() !== "100-continue")) return refused("expectation_failed");
  return { type: "request", expectsContinue: head.hasBody };
}

/** Whether the visitor keeps the connection after the response (RFC 9112 section 9.3). */
export function isPersistent({ headers, minorVersion }: RequestHead): boolean {
  if (hasElement(headers, "connection", "close")) return false;
  return minorVersion === 1 || hasElement(headers, "connection", "keep-alive");
}

/** Other upgrades than this one are not known here, and ignored, as RFC 9110 section 7.8 has it. */
function asksForWebSocket(headers: HeaderList): boolean {
  return hasElement(headers, "upgrade", "websocket") && hasElement(headers, "connection", "upgrade");
}

function isHandshake({ method, headers, minorVersion, hasBody }: RequestHead): boolean {
  const keys = headerValues(headers, "sec-websocket-key");
  return (
    method === "GET" &&
    minorVersion === 1 &&
    headerValues(headers, "sec-websocket-version").join() === "13" &&
    keys.length === 1 &&
    KEY.test(keys[0] ?? "") &&
    !hasBody
  );
}

function refused(code: FailureCode, headers: HeaderList = []): Admission {
  return { type: "refused", code, headers };
}

/** Sixteen bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;
