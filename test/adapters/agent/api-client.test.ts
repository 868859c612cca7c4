import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { afterEach, expect, test } from "vitest";
import { ANSWER_BYTES_MAX, ApiClient, type ApiEvent } from "../../../adapters/agent/api-client.ts";
import { Dialler } from "../../../adapters/agent/dialler.ts";
import type { CallId } from "../../../core/ids.ts";
import { EventLog } from "../event-log.ts";
import { listen } from "../listen.ts";

const TARGET = "/auth/signature-token?clientId=s3cret-id";
const TOKEN = "s3cret-token";
const CALL = 7 as CallId;

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean();
});

test("posts to the configured server with the token, and hands over status and body", async () => {
  let seen: http.IncomingMessage | undefined;
  const host = await listen(
    http.createServer((request, response) => {
      seen = request;
      response.writeHead(201).end('{"token":"gr\u00fcn"}');
    }),
    cleanups,
  );
  const event = await call(new URL(`ws://${host}/base/`));
  expect(event).toEqual({ type: "api_answered", call: CALL, status: 201, body: '{"token":"gr\u00fcn"}' });
  expect(seen?.method).toBe("POST");
  expect(seen?.url).toBe(`/base${TARGET}`);
  expect(seen?.headers.authorization).toBe(`Bearer ${TOKEN}`);
  expect(seen?.headers["content-length"]).toBe("0");
  expect(seen?.headers.host).toBe(host);
});

test("hands over for how long the server wants to be left alone", async () => {
  const host = await listen(
    http.createServer((_request, response) => response.writeHead(503, { "retry-after": "2" }).end()),
    cleanups,
  );
  const event = await call(new URL(`http://${host}/`));
  expect(event).toMatchObject({ type: "api_answered", status: 503, retryAfter: "2" });
});

test("takes a redirect for the answer, so that the token stays with the server", async () => {
  let elsewhere = 0;
  const other = await listen(
    http.createServer((_request, response) => response.end(String(++elsewhere))),
    cleanups,
  );
  const host = await listen(
    http.createServer((_request, response) =>
      response.writeHead(307, { location: `http://${other}/` }).end(),
    ),
    cleanups,
  );
  expect(await call(new URL(`http://${host}/`))).toMatchObject({ type: "api_answered", status: 307 });
  expect(elsewhere).toBe(0);
});

test("cuts an answer that does not end, and its connection", async () => {
  const cut = Promise.withResolvers<void>();
  const host = await listen(
    http.createServer((_request, response) => {
      const more = () => {
        while (response.write("x".repeat(10_000)));
      };
      response.on("drain", more);
      response.on("close", cut.resolve);
      more();
    }),
    cleanups,
  );
  const event = await call(new URL(`http://${host}/`));
  expect(event).toMatchObject({ type: "api_answered", status: 200, body: "x".repeat(ANSWER_BYTES_MAX) });
  await cut.promise;
});

test("tells host and cause where nobody listens, and no secret", async () => {
  const server = net.createServer();
  const host = await listen(server, cleanups);
  server.close();
  expect(await call(new URL(`http://${host}/`))).toEqual({
    type: "api_failed",
    call: CALL,
    fault: { kind: "refused", detail: `connect ECONNREFUSED ${host}` },
  });
});

test.each([
  ["breaks off before the head", "", "closed"],
  ["breaks off in the body", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", "cut"],
  ["breaks off in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf", "cut"],
  ["is not HTTP", "SSH-2.0-OpenSSH_9.6\r\n", "not_http"],
])("fails once, without a secret, where the answer %s", async (_name, answer, kind) => {
  const host = await listen(
    net.createServer((socket) => socket.on("data", () => socket.end(answer))),
    cleanups,
  );
  const event = await call(new URL(`http://${host}/`));
  expect(event).toMatchObject({ type: "api_failed", fault: { kind } });
  expect(JSON.stringify(event)).not.toContain("s3cret");
});

test("fails, without a secret, where the token cannot stand in a header", async () => {
  const event = await call(new URL("http://127.0.0.1:9/"), `${TOKEN}\r\nX-Smuggled: 1`);
  expect(event.type).toBe("api_failed");
  expect(JSON.stringify(event)).not.toContain("s3cret");
});

test("fails what still runs when it is closed", async () => {
  const server = http.createServer();
  const log = new EventLog<ApiEvent>();
  const url = new URL(`http://${await listen(server, cleanups)}/`);
  const client = new ApiClient({
    server: url,
    dialler: new Dialler({ server: url }),
    dispatch: log.dispatch,
  });
  client.perform({ type: "api_call", call: CALL, target: TARGET, token: TOKEN });
  await once(server, "request");
  client.close();
  expect(await log.first("api_failed")).toMatchObject({ call: CALL });
});

/** The one event of one call. */
async function call(server: URL, token = TOKEN): Promise<ApiEvent> {
  const log = new EventLog<ApiEvent>();
  const client = new ApiClient({ server, dialler: new Dialler({ server }), dispatch: log.dispatch });
  cleanups.push(() => client.close());
  client.perform({ type: "api_call", call: CALL, target: TARGET, token });
  await log.until(() => log.events.length > 0);
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  const [event, ...others] = log.events;
  expect(others).toEqual([]);
  if (event === undefined) throw new Error("unreachable");
  return event;
}
