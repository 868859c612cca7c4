/** Connections to an origin: how they are made, and told apart when they fail. */
import net from "node:net";
import type { Duplex } from "node:stream";
import tls, { TLSSocket } from "node:tls";
import type { ConnectionFault } from "../../core/http1/events.ts";
import { codeOf } from "../error-cause.ts";
import type { Endpoint } from "../socket/endpoint.ts";

export type OriginConnectorOptions = {
  /** Takes any certificate, for a home service that signed its own. */
  readonly tlsSkipVerify: boolean;
  /** What an origin is asked for by TLS, and what its certificate has to name; null for the host of its URL. */
  readonly serverName: string | null;
  /** PEM of what signs its certificate; the system's where left out. */
  readonly ca?: string;
};

/** The kernel asks a peer that has been silent for so long whether it is still there. */
const PROBE_AFTER_MS = 1_000;

/** Makes connections to one origin. They say `connect`, or `secureConnect` over TLS, when they can be written to. */
export function createConnector(endpoint: Endpoint, options: OriginConnectorOptions): () => net.Socket {
  const connect = endpoint.secure ? tlsConnector(endpoint, options) : plainConnector(endpoint);
  return () => {
    const stream = connect();
    readBeforeFailing(stream);
    return stream;
  };
}

function plainConnector({ host, port, socketPath }: Endpoint): () => net.Socket {
  const options = socketPath === null ? { host, port, ...SOCKET_OPTIONS } : { path: socketPath };
  return () => net.connect(options);
}

/** The latest session is offered again, which spares the origin and us the costly part of a handshake. */
function tlsConnector(
  { host, port }: Endpoint,
  { tlsSkipVerify, serverName, ca }: OriginConnectorOptions,
): () => TLSSocket {
  const options = {
    host,
    port,
    ...SOCKET_OPTIONS,
    // An address is no name to ask for (RFC 6066 section 3).
    servername: serverName ?? (net.isIP(host) === 0 ? host : ""),
    rejectUnauthorized: !tlsSkipVerify,
    ...(ca === undefined ? {} : { ca }),
  };
  let session: Buffer | undefined;
  return () => {
    const stream = tls.connect(session === undefined ? options : { ...options, session });
    stream.on("session", (latest) => {
      session = latest;
    });
    // It may be the session that the origin did not like.
    stream.once("close", (hadError) => {
      if (hadError) session = undefined;
    });
    return stream;
  };
}

const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: PROBE_AFTER_MS };

/** Of the error that ended a connection; null where there was none. */
export function faultOf(error: Error | null, socket: net.Socket): ConnectionFault | null {
  if (error === null) return null;
  const code = codeOf(error);
  if (isPeerGone(error)) return "reset";
  if (code === "ETIMEDOUT") return "connect_timeout";
  // Of a Unix socket: nobody listens there any more, or yet.
  if (code === "ECONNREFUSED" || code === "ENOENT") return "refused";
  if (code === "ENOTFOUND" || code.startsWith("EAI_")) return "name_not_resolved";
  if (code === "EPROTO" || code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_")) return "tls_invalid";
  // Set by Node on a certificate that did not verify, whose error codes are OpenSSL's and have no common form.
  if (socket instanceof TLSSocket && socket.authorizationError) return "tls_invalid";
  return "broken";
}

/** Whether the other side had closed the connection before it got what was written. */
function isPeerGone(error: Error): boolean {
  const code = codeOf(error);
  return code === "ECONNRESET" || code === "EPIPE";
}

type WriteCallback = (error?: Error | null) => void;

/**
 * An origin may answer an upload that it does not want and close. The write that finds the connection closed would destroy
 * it, and with it the answer that waits unread in the kernel. So that failure is kept back until all has been read, which
 * ends with the connection's end or its own error, because nothing more can come.
 */
function readBeforeFailing(stream: Duplex): void {
  const late =
    (callback: WriteCallback): WriteCallback =>
    (error) => {
      if (!error || !isPeerGone(error) || stream.readableEnded) callback(error);
      else stream.once("end", () => callback(error));
    };
  const { _write: write, _writev: writev } = stream;
  stream._write = (chunk, encoding, callback) => write.call(stream, chunk, encoding, late(callback));
  if (writev) stream._writev = (chunks, callback) => writev.call(stream, chunks, late(callback));
}
