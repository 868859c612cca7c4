/**
 * Handle of one visitor's HTTP request and its response, counted from 1 by the HTTP adapter and never used twice.
 * On the wire it appears as `idBase + exchange` (the MoosicBox `request_id`).
 */
export type ExchangeId = number & { readonly __id: "exchange" };

/**
 * Handle of one WebSocket, counted from 1 by the adapter that owns it and never used twice. A tunnel and a visitor
 * socket both are sockets; on the wire and in the registry they appear as `idBase + socket` (`tunnel_ws_id`, `conn_id`).
 */
export type SocketId = number & { readonly __id: "socket" };

/** Handle of one HTTP connection, counted from 1 by who opens it, or takes it in, and never used twice. */
export type ConnectionId = number & { readonly __id: "connection" };

/** Number of one call to the registry or the server's HTTP interface, counted from 1 by the core. */
export type CallId = number & { readonly __id: "call" };

/** Number of one check of a password, counted from 1 by the core. */
export type CheckId = number & { readonly __id: "check" };

/** Number of one question whether a name may get a certificate, counted from 1 by who asks. */
export type CertificateId = number & { readonly __id: "certificate" };

/** Seven bytes of entropy make an id base of 52 bits. */
export const ID_BASE_BYTES = 7;

/**
 * Where the ids of one process begin: below 2^52, so that every id stays a safe integer. Drawn anew at each start, so
 * that a restarted server never gives a request the id of one that an agent still answers from before the restart.
 */
export function idBaseFrom(entropy: Uint8Array): number {
  let base = 0;
  for (const byte of entropy.subarray(0, ID_BASE_BYTES)) base = base * 256 + byte;
  return base % 2 ** 52;
}

/** Wire id of a visitor socket's question: beside those of exchanges, far enough away never to meet them. */
export function questionIdFrom(idBase: number, question: number): number {
  return idBase + 2 ** 51 + question;
}
