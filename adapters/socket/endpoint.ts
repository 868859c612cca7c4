/** Where a client adapter connects to. */

export type Endpoint = {
  readonly secure: boolean;
  /** As a name or address to connect to: an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
  /** As in a `Host` header: the port only where it is not the scheme's own. */
  readonly authority: string;
  /** What goes before every target; empty, or begins with a slash and ends without one. */
  readonly basePath: string;
};

/** Of a URL with the scheme `http:`, `https:`, `ws:` or `wss:`. */
export function endpointOf(url: URL): Endpoint {
  const secure = url.protocol === "https:" || url.protocol === "wss:";
  return {
    secure,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? (secure ? 443 : 80) : Number(url.port),
    authority: url.host,
    basePath: url.pathname.replace(/\/$/, ""),
  };
}
