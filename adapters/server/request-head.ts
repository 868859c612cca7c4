/** What a request's head says of the message itself: whom it is for, how its body is framed, and how it wants to go on. */
import type { IncomingMessage } from "node:http";

/**
 * What an `Upgrade` header asks for (RFC 9110 section 7.8, RFC 6455 section 4.2.1).
 * `other` is a plain request: an upgrade that the server does not know is ignored, as RFC 9110 has it.
 * `malformed` asks for a WebSocket in a way that RFC 6455 does not allow.
 */
export type UpgradeKind = "websocket" | "malformed" | "other";

/** Sixteen bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

export function upgradeKind(request: IncomingMessage): UpgradeKind {
  const { headers } = request;
  if (!hasToken(headers.upgrade, "websocket") || !hasToken(headers.connection, "upgrade")) return "other";
  const isWellFormed =
    request.method === "GET" &&
    (request.httpVersionMajor > 1 || request.httpVersionMinor >= 1) &&
    headers["sec-websocket-version"] === "13" &&
    KEY.test(headers["sec-websocket-key"] ?? "") &&
    !isBodyAhead(request);
  return isWellFormed ? "websocket" : "malformed";
}

/**
 * Whether everybody who reads this head sees the same request in it: one host (RFC 9112 section 3.2), and a body whose
 * length is beyond doubt, `chunked` being the only transfer coding that is undone here (section 6.1).
 */
export function isUnambiguous(request: IncomingMessage): boolean {
  const { rawHeaders, httpVersionMinor } = request;
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  if (hosts > 1 || (hosts === 0 && httpVersionMinor > 0)) return false;
  const coding = request.headers["transfer-encoding"];
  return coding === undefined || coding.trim().toLowerCase() === "chunked";
}

/** Whether a message body follows the head (RFC 9112 section 6.3). */
export function isBodyAhead(request: IncomingMessage): boolean {
  const { headers } = request;
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

function hasToken(list: string | undefined, token: string): boolean {
  if (list === undefined) return false;
  return list.split(",").some((item) => item.trim().toLowerCase() === token);
}
