/**
 * The way between nodes: a listener for the others, which the edge's machine speaks HTTP over as for visitors, and connections to
 * them, which the origins' machine speaks it over as an agent does to a home's services.
 */
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import type { OriginEffect, ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import { type IpBlock, parseIpBlock } from "../../core/http/ip.ts";
import type { ExchangeId } from "../../core/ids.ts";
import type { ServerLimits } from "../../core/limits.ts";
import { peerClientLimits, peerEdgeLimits } from "../../core/server/peer/limits.ts";
import { ASTRAY } from "../../core/server/peer/mark.ts";
import { causeOf } from "../error-cause.ts";
import { Origin } from "../origin/origin.ts";
import type { PeerConfig, PeerTls } from "../settings/peer.ts";
import { StartupError } from "../startup-error.ts";
import { HttpServer, type HttpServerEffect } from "./http.ts";

export type PeersOptions = PeerConfig & {
  readonly limits: ServerLimits;
  readonly nextExchange: () => ExchangeId;
  readonly dispatch: (event: ServerEvent) => void;
  readonly nonce: () => Uint8Array;
  readonly onFault: (fault: string) => void;
  readonly onFatal: (error: unknown) => void;
};

/** Throws `StartupError` where a file of its certificate cannot be read. */
export class Peers {
  readonly #http: HttpServer;
  readonly #origin: Origin;

  constructor(options: PeersOptions) {
    const { limits, tls, dispatch, nonce, nextExchange, onFault, onFatal } = options;
    this.#http = new HttpServer({
      bind: options.bind,
      port: options.port,
      path: options.path ?? null,
      limits: peerEdgeLimits(limits),
      trustedProxies: EVERYBODY,
      forPeers: { tls: certificateIn(tls), farewell: ASTRAY },
      nextExchange,
      dispatch,
      nonce,
      onUpgrade: (_, socket) => socket.destroy(),
      onFault,
      onFatal,
    });
    this.#origin = new Origin({
      urls: [],
      limits: peerClientLimits(limits),
      toPeers: true,
      tlsSkipVerify: false,
      serverName: null,
      ...(tls.ca === null ? {} : { ca: readPem(tls.ca) }),
      dispatch,
      onFatal,
    });
  }

  listen(): Promise<AddressInfo> {
    return this.#http.listen();
  }

  /** Whether another node sent the exchange's request. */
  has(exchange: ExchangeId): boolean {
    return this.#http.has(exchange);
  }

  /** An order for what another node asks. */
  answer(effect: HttpServerEffect): void {
    this.#http.perform(effect);
  }

  /** An order for what another node is asked. */
  ask(effect: OriginEffect | Extract<ServerEffect, { readonly type: "origin_set" }>): void {
    if (effect.type === "origin_set") this.#origin.set(effect.origin, new URL(effect.url));
    else this.#origin.perform(effect);
  }

  close(): Promise<void> {
    this.#origin.close();
    return this.#http.close();
  }
}

function certificateIn({ cert, key }: PeerTls): { readonly cert: string; readonly key: string } | null {
  return cert === null || key === null ? null : { cert: readPem(cert), key: readPem(key) };
}

function readPem(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new StartupError(`cannot read ${file}: ${causeOf(error)}`, { cause: error });
  }
}

/** Whoever comes brings many visitors from one address, so that no bound is his address's own. */
const EVERYBODY: readonly IpBlock[] = ["0.0.0.0/0", "::/0"]
  .map(parseIpBlock)
  .filter((block) => block !== null);
