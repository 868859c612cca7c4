/**
 * The agent's connections to its server, straight or through an HTTP proxy (CONNECT, RFC 9110 section 9.3.6), in the form that
 * `http.request` and `ws` take for `createConnection`; and what their failures mean.
 */
import http, { type ClientRequest } from "node:http";
import https from "node:https";
import net from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import type { ConnectFault, ConnectFaultKind } from "../../core/events.ts";
import { codeOf } from "../error-cause.ts";
import { type Endpoint, endpointOf } from "../socket/endpoint.ts";
import { connectFault, detailOf } from "./connect-fault.ts";

export type DiallerOptions = {
  /** `http:`, `https:`, `ws:` or `wss:`. */
  readonly server: URL;
  /** `http:` or `https:`, perhaps with a user name and password; null for none. */
  readonly proxy?: URL | null;
  /** Certificates that are trusted beside those that this machine trusts, in PEM; null for none. */
  readonly serverCa?: string | null;
};

/** One connection on its way. */
export type Opening = {
  /** Gives a socket at once, or later to `done`. */
  readonly connect: (options: object, done: Done) => Duplex | undefined;
  /** Gives up one that is still to come: `done` gets an error. A socket that was given is the caller's. */
  readonly cancel: () => void;
};

type Done = (error: Error | null, socket: Duplex) => void;

/** The core's own deadline is shorter. This frees the connection of a call, which the core does not cancel. */
const PROXY_SILENCE_MS = 60_000;

export class Dialler {
  readonly #server: Endpoint;
  readonly #proxy: URL | null;
  readonly #ca: string[] | undefined;
  /** What is known of an error beside what it says. */
  readonly #kinds = new WeakMap<Error, ConnectFaultKind>();

  constructor({ server, proxy = null, serverCa = null }: DiallerOptions) {
    this.#server = endpointOf(server);
    this.#proxy = proxy;
    this.#ca = serverCa === null ? undefined : [...tls.getCACertificates("default"), serverCa];
  }

  open(): Opening {
    const proxy = this.#proxy;
    let request: ClientRequest | undefined;
    const connect = (_options: object, done: Done): Duplex | undefined => {
      if (proxy === null) {
        const { host, port, secure } = this.#server;
        return secure ? this.#secured({ host, port }) : net.connect({ host, port });
      }
      request = this.#askProxy(proxy, done);
      return undefined;
    };
    return { connect, cancel: () => request?.destroy() };
  }

  /** Of an error that came of such a connection. */
  faultOf(error: unknown): ConnectFault {
    const known = error instanceof Error ? this.#kinds.get(error) : undefined;
    return known === undefined ? connectFault(error) : { kind: known, detail: detailOf(error) };
  }

  #askProxy(proxy: URL, done: Done): ClientRequest {
    const { host, port, secure } = endpointOf(proxy);
    const authority = net.isIPv6(this.#server.host)
      ? `[${this.#server.host}]:${this.#server.port}`
      : `${this.#server.host}:${this.#server.port}`;
    const fail = (error: Error, kind: ConnectFaultKind) => {
      this.#kinds.set(error, kind);
      // Node takes the error for all there is, and its types want a socket, too.
      done(error, undefined as unknown as Duplex);
    };
    const request = (secure ? https.request : http.request)({
      host,
      port,
      method: "CONNECT",
      path: authority,
      headers: { host: authority, ...loginOf(proxy) },
      agent: false,
      timeout: PROXY_SILENCE_MS,
      ...(secure && this.#ca !== undefined ? { ca: this.#ca } : {}),
    });
    request.on("connect", ({ statusCode = 0 }, socket, head) => {
      if (statusCode < 200 || statusCode > 299) {
        socket.destroy();
        fail(
          new Error(`the proxy ${proxy.host} answered CONNECT with ${statusCode}`),
          kindOfAnswer(statusCode),
        );
        return;
      }
      if (head.length > 0) socket.unshift(head);
      done(null, this.#server.secure ? this.#secured({ socket }) : socket);
    });
    request.on("timeout", () => request.destroy(new Error(`the proxy ${proxy.host} did not answer in time`)));
    request.on("error", (error) => fail(error, kindOfError(error)));
    request.end();
    return request;
  }

  #secured(
    to: { readonly host: string; readonly port: number } | { readonly socket: Duplex },
  ): tls.TLSSocket {
    const { host } = this.#server;
    const socket = tls.connect({
      ...to,
      // An address is no name to ask for (RFC 6066 section 3); the certificate has to name it all the same.
      servername: net.isIP(host) === 0 ? host : "",
      checkServerIdentity: (_name, certificate) => tls.checkServerIdentity(host, certificate),
      ALPNProtocols: ["http/1.1"],
      ...(this.#ca === undefined ? {} : { ca: this.#ca }),
    });
    const onError = (error: Error) => {
      if (codeOf(error) === "ECONNRESET") this.#kinds.set(error, "closed_in_tls");
    };
    socket.prependListener("error", onError);
    socket.once("secureConnect", () => socket.off("error", onError));
    return socket;
  }
}

function loginOf({ username, password }: URL): { "proxy-authorization"?: string } {
  if (username === "" && password === "") return {};
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(login).toString("base64")}` };
}

function kindOfAnswer(status: number): ConnectFaultKind {
  if (status === 407) return "proxy_login";
  return status >= 400 && status < 500 ? "proxy_denied" : "proxy_failed";
}

function kindOfError(error: Error): ConnectFaultKind {
  const { kind } = connectFault(error);
  if (kind === "name_unknown") return "proxy_name_unknown";
  return kind === "refused" ? "proxy_refused" : "proxy_unreachable";
}
