/**
 * The demo's player: a page on a port of its own, outside the tunnel, whose sound comes through the tunnel.
 *
 * The page holds a signature token, so it is shown only to a browser that asked for it by a loopback name: a page of
 * somebody else's that has its own name point to 127.0.0.1 gets nothing (DNS rebinding).
 */
import { createServer, type ServerResponse } from "node:http";
import type { Home, HomeFile } from "./home.ts";
import { closeServer, listenOnLoopback } from "./listen.ts";
import { type PlayerFacts, playerPage } from "./player-page.ts";

export type PlayerOptions = {
  readonly home: Home;
  readonly file: HomeFile;
  /** The tune's URL through the tunnel, signature included. */
  readonly tuneUrl: string;
  readonly serverUrl: string;
  readonly seconds: number;
  /** Loudness over time, 0 to 100 (`outlineOf`). */
  readonly outline: readonly number[];
};

export type Player = { readonly url: string; stop(): Promise<void> };

export async function startPlayer(options: PlayerOptions): Promise<Player> {
  const facts: PlayerFacts = {
    title: options.file.title,
    tuneUrl: options.tuneUrl,
    serverPort: new URL(options.serverUrl).port,
    homePort: new URL(options.home.url).port,
    bytes: options.file.bytes,
    sha256: options.file.sha256,
    seconds: options.seconds,
    outline: options.outline,
  };
  const page = playerPage(facts);
  const server = createServer((request, response) => {
    const hostname = (request.headers.host ?? "").replace(/:\d+$/, "");
    if (hostname !== "127.0.0.1" && hostname !== "localhost") {
      answer(response, 403, "text/plain; charset=utf-8", "Ask for this page as 127.0.0.1.\n");
    } else if (request.url === "/") {
      answer(response, 200, "text/html; charset=utf-8", page);
    } else if (request.url === "/live.json") {
      const { deliveries, totals } = options.home;
      answer(response, 200, "application/json", JSON.stringify({ deliveries, totals }));
    } else {
      answer(response, 404, "text/plain; charset=utf-8", "Nothing here.\n");
    }
  });
  const url = await listenOnLoopback(server);
  return { url: `${url}/`, stop: () => closeServer(server) };
}

function answer(response: ServerResponse, status: number, type: string, text: string): void {
  const body = Buffer.from(text);
  response.writeHead(status, {
    "content-type": type,
    "content-length": body.length,
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}
