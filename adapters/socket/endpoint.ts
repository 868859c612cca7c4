/** Where a client adapter connects to. */

export type Endpoint = {
  readonly secure: boolean;
  /** As a name or address to connect to: an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
  /** A Unix socket to connect to, in place of host and port; null for none. */
  readonly socketPath: string | null;
  /** As in a `Host` header: the port only where it is not the scheme's own. */
  readonly authority: string;
  /** What goes before every target; empty, or begins with a slash and ends without one. */
  readonly basePath: string;
};

/** Of a URL with the scheme `http:`, `https:`, `ws:`, `wss:` or `unix:`. */
export function endpointOf(url: URL): Endpoint {
  if (url.protocol === "unix:") return socketEndpoint(decodeURIComponent(url.pathname));
  const secure = url.protocol === "https:" || url.protocol === "wss:";
  return {
    secure,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? (secure ? 443 : 80) : Number(url.port),
    socketPath: null,
    authority: url.host,
    basePath: url.pathname.replace(/\/$/, ""),
  };
}

/** A service behind a socket has no name of its own; what such services take for theirs is this one. */
function socketEndpoint(socketPath: string): Endpoint {
  return { secure: false, host: "", port: 0, socketPath, authority: "localhost", basePath: "" };
}
