/**
 * The operator's own listener: health for a load balancer, readiness, metrics and a status page. Nothing here asks for a
 * token, so it listens on the loopback unless told otherwise and only ever reads. A web page elsewhere must not reach it
 * through an operator's browser (A09): DNS rebinding needs a name, so a `Host` with any but our own is refused, and no
 * answer carries a CORS header.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { isIP } from "node:net";
import { type Listening, listenAt } from "../socket/listening.ts";
import type { Health } from "./node-health.ts";
import { statusPage, statusPagePolicy } from "./status-page.ts";

export type AdminOptions = Listening & { readonly health: Health };

export type Admin = {
  /** The port taken. */
  readonly port: number;
  close(): Promise<void>;
};

/** Rejects with the error of the listener if it cannot be had. */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const server = createServer(
    { maxHeaderSize: 8 * 1024, headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 5_000 },
    (request, response) => {
      route(options, request).then(
        (answer) => send(request, response, answer),
        () => send(request, response, text(500, "the answer could not be made")),
      );
    },
  );
  const { port } = await listenAt(server, options);
  return {
    port,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

async function route(options: AdminOptions, request: IncomingMessage): Promise<Answer> {
  if (!isOwnHost(request.headers.host, options.bind)) {
    return text(421, "this listener answers to IP addresses, localhost and its own name only");
  }
  const [path = "", query = ""] = (request.url ?? "").split("?", 2);
  const answer = ROUTES.get(path);
  if (answer === undefined) return text(404, "not found");
  if (request.method !== "GET" && request.method !== "HEAD") {
    return { ...text(405, "this path takes GET and HEAD only"), headers: { allow: "GET, HEAD" } };
  }
  return answer(options.health, new URLSearchParams(query));
}

type Route = (health: Health, query: URLSearchParams) => Answer | Promise<Answer>;

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  [
    "/health",
    async (health) => {
      const healthy = await health.isHealthy();
      return json(healthy ? 200 : 503, { healthy });
    },
  ],
  [
    "/ready",
    async (health) => {
      const problem = await health.unready();
      return problem === null ? json(200, { ready: true }) : json(503, { ready: false, ...problem });
    },
  ],
  [
    "/metrics",
    async (health) => ({
      status: 200,
      headers: { "content-type": METRICS_TYPE },
      body: await health.metricsText(),
    }),
  ],
  ["/status.json", async (health) => json(200, await health.status())],
  ["/tls-allowed", tlsAllowed],
  [
    "/",
    () => ({
      status: 200,
      headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": statusPagePolicy },
      body: statusPage,
    }),
  ],
]);

/** Prometheus' text format. */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** What Caddy asks before it gets a certificate for a name that a visitor came by (`on_demand_tls`, `ask`). */
async function tlsAllowed(health: Health, query: URLSearchParams): Promise<Answer> {
  const name = query.get("domain");
  if (name === null) return text(400, "which name? /tls-allowed?domain=NAME");
  switch (await health.certificateFor(name)) {
    case "granted":
      return text(200, "granted");
    case "refused":
      return text(404, "no home has that name");
    case "unknown":
      return text(503, "the database does not answer: ask again");
  }
}

/** `Host` without its port (RFC 9110 section 7.2) must be an IP literal, localhost or the name we listen on. */
function isOwnHost(host: string | undefined, bind: string): boolean {
  const name = host?.replace(/:\d*$/, "").toLowerCase() ?? "";
  if (name.startsWith("[") && name.endsWith("]")) return isIP(name.slice(1, -1)) === 6;
  return isIP(name) === 4 || name === "localhost" || name === bind.toLowerCase();
}

function json(status: number, value: object): Answer {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

function text(status: number, line: string): Answer {
  return { status, headers: { "content-type": "text/plain; charset=utf-8" }, body: `${line}\n` };
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-length": Buffer.byteLength(answer.body),
    // No body is ever read here, so a connection with one in it cannot be used again.
    ...(request.headers["content-length"] || request.headers["transfer-encoding"]
      ? { connection: "close" }
      : {}),
    ...answer.headers,
  });
  response.end(request.method === "HEAD" ? undefined : answer.body);
}
