/**
 * The home service of the demo: what runs behind the NAT. A plain `node:http` server that knows nothing of tunnels.
 *
 * It serves the tune at `/files/track?trackId=1`, where a MoosicBox home has its files, and at `/tune.wav`, with ranges,
 * and keeps account of what it was asked for, so that the player page can show how a seek arrives here.
 */
import { createReadStream } from "node:fs";
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import { closeServer, listenOnLoopback } from "./listen.ts";
import { parseRange } from "./range.ts";

export type HomeFile = {
  readonly path: string;
  readonly bytes: number;
  /** In hex; also the entity tag. */
  readonly sha256: string;
  readonly title: string;
};

/** One request for the tune. */
export type Delivery = {
  readonly id: number;
  readonly range: string | null;
  readonly status: number;
  /** What the response is to carry. */
  readonly bytes: number;
  bytesSent: number;
  state: "running" | "complete" | "left";
};

export type Home = {
  /** Such as `http://127.0.0.1:41234`. */
  readonly url: string;
  /** The latest `DELIVERIES_MAX` requests for the tune, oldest first. */
  readonly deliveries: readonly Delivery[];
  /** Of all requests for the tune so far. */
  readonly totals: { readonly bytesSent: number; readonly requests: number };
  stop(): Promise<void>;
};

export async function startHome(file: HomeFile): Promise<Home> {
  const account: Account = { deliveries: [], totals: { bytesSent: 0, requests: 0 } };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://home");
    const isTrack = url.pathname === "/files/track" && url.searchParams.get("trackId") === "1";
    if (request.method !== "GET" && request.method !== "HEAD") {
      answerText(response, 405, "This home only reads.\n", { allow: "GET, HEAD" });
    } else if (isTrack || url.pathname === "/tune.wav") {
      sendTune(request, response, file, account);
    } else if (url.pathname === "/") {
      const text = `Hello from the home behind the tunnel. "${file.title}" is at /tune.wav.\n`;
      answerText(response, 200, text);
    } else {
      answerText(response, 404, "Nothing here.\n");
    }
  });
  const url = await listenOnLoopback(server);
  return { url, ...account, stop: () => closeServer(server) };
}

/** How many requests the page can look back on. */
const DELIVERIES_MAX = 8;

type Account = {
  readonly deliveries: Delivery[];
  readonly totals: { bytesSent: number; requests: number };
};

function sendTune(
  request: IncomingMessage,
  response: ServerResponse,
  file: HomeFile,
  account: Account,
): void {
  const etag = `"${file.sha256}"`;
  const shared = { "accept-ranges": "bytes", etag, "cache-control": "no-cache" };
  if (request.headers["if-none-match"] === etag) {
    response.writeHead(304, shared).end();
    return;
  }
  // A range of another version of the file would be stitched to the wrong bytes (RFC 9110 section 13.1.5).
  const ifRange = request.headers["if-range"];
  const header = ifRange === undefined || ifRange === etag ? request.headers.range : undefined;
  const range = parseRange(header, file.bytes);
  if (range === "unsatisfiable") {
    answerText(response, 416, "No such range.\n", { ...shared, "content-range": `bytes */${file.bytes}` });
    return;
  }
  const isWhole = range === "whole";
  const { first, last } = isWhole ? { first: 0, last: file.bytes - 1 } : range;
  response.writeHead(isWhole ? 200 : 206, {
    ...shared,
    ...(isWhole ? {} : { "content-range": `bytes ${first}-${last}/${file.bytes}` }),
    "content-type": "audio/wav",
    "content-length": last - first + 1,
  });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const delivery: Delivery = {
    id: account.totals.requests + 1,
    range: header ?? null,
    status: isWhole ? 200 : 206,
    bytes: last - first + 1,
    bytesSent: 0,
    state: "running",
  };
  account.totals.requests += 1;
  account.deliveries.push(delivery);
  if (account.deliveries.length > DELIVERIES_MAX) account.deliveries.shift();
  const source = createReadStream(file.path, { start: first, end: last, highWaterMark: 64 * 1024 });
  source.on("data", (piece) => {
    delivery.bytesSent += piece.length;
    account.totals.bytesSent += piece.length;
  });
  pipeline(source, response, (error) => {
    delivery.state = error === undefined || error === null ? "complete" : "left";
  });
}

function answerText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: OutgoingHttpHeaders = {},
): void {
  const body = Buffer.from(text);
  response.writeHead(status, {
    ...headers,
    "content-type": "text/plain; charset=utf-8",
    "content-length": body.length,
  });
  response.end(body);
}
