/** Upgrades to WebSocket (RFC 9110 section 7.8, RFC 6455 section 4): the fields that ask for one, and those that take it. */
import { type HeaderList, headerValue, headerValues } from "./headers.ts";
import { hasElement } from "./lists.ts";
import { webSocketAccept } from "./websocket-accept.ts";

/**
 * The list with the two fields, which are of one connection and were removed with the others of their kind. A visitor may
 * have named other protocols beside: a home that took one of those would talk past everything that holds for requests.
 */
export function upgradeFields(passed: HeaderList): HeaderList {
  return ["Upgrade", "websocket", "Connection", "Upgrade", ...passed];
}

/** What the `Sec-WebSocket-Accept` of a 101 has to be for a handshake with these headers. */
export function acceptFor(headers: HeaderList): string {
  return webSocketAccept(headerValue(headers, "sec-websocket-key") ?? "");
}

/**
 * Whether the headers of a 101 take the handshake that `accept` answers (RFC 6455 section 4.2.2). Who has not read it as one
 * for a WebSocket would be given raw bytes that it takes for something else. Subprotocol and extensions are between the ends.
 */
export function takesHandshake(headers: HeaderList, accept: string): boolean {
  const protocols = headerValues(headers, "upgrade");
  const accepts = headerValues(headers, "sec-websocket-accept");
  return (
    protocols.length === 1 &&
    protocols[0]?.toLowerCase() === "websocket" &&
    hasElement(headers, "connection", "upgrade") &&
    accepts.length === 1 &&
    accepts[0] === accept
  );
}
