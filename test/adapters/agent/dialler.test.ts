/** What the agent's two kinds of connections meet on their way to a server, on real sockets. */
import http from "node:http";
import https from "node:https";
import net from "node:net";
import tls from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { ApiClient, type ApiEvent } from "../../../adapters/agent/api-client.ts";
import { Dialler, type DiallerOptions } from "../../../adapters/agent/dialler.ts";
import { type AgentSocketEvent, AgentSockets } from "../../../adapters/agent/web-sockets.ts";
import type { ConnectFault, ConnectFaultKind } from "../../../core/events.ts";
import type { CallId, SocketId } from "../../../core/ids.ts";
import { EventLog } from "../event-log.ts";
import { listen } from "../listen.ts";
import { createCertificate } from "../origin/certificate.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean();
});

const WAYS = ["call", "handshake"] as const;
type Way = (typeof WAYS)[number];

/** What an answer to nothing in particular is, or why there was none. */
async function dial(way: Way, options: DiallerOptions): Promise<ConnectFault | number> {
  const dialler = new Dialler(options);
  if (way === "call") {
    const log = new EventLog<ApiEvent>();
    const client = new ApiClient({ server: options.server, dialler, dispatch: log.dispatch });
    cleanups.push(() => client.close());
    client.perform({ type: "api_call", call: 1 as CallId, target: "/x", token: "s3cret" });
    await log.until(() => log.events.length > 0);
    const [event] = log.events;
    return event?.type === "api_failed" ? event.fault : (event?.status ?? 0);
  }
  const log = new EventLog<AgentSocketEvent>();
  const sockets = new AgentSockets({
    server: options.server,
    dialler,
    messageBytesMax: 1_000,
    dispatch: log.dispatch,
  });
  cleanups.push(() => sockets.close());
  const order = { socket: 1 as SocketId, target: "/x?signature=s3cret", headers: [], protocols: [] };
  sockets.perform({ type: "socket_connect", ...order });
  await log.first("socket_closed");
  const [event] = log.events;
  if (event?.type === "socket_failed") return event.fault;
  return event?.type === "socket_refused" ? event.status : 0;
}

async function faultOf(way: Way, options: DiallerOptions): Promise<ConnectFaultKind> {
  const fault = await dial(way, options);
  if (typeof fault === "number") expect.fail(`answered ${fault}`);
  expect(fault.detail).not.toBe("");
  expect(fault.detail).not.toMatch(/s3cret|\n/);
  return fault.kind;
}

/** A port where each connection that has said something is told that, or nothing, and then closed. */
function saying(answer: string | Buffer, how: "end" | "reset" = "end"): Promise<string> {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => (how === "end" ? socket.end(answer) : socket.resetAndDestroy()));
  });
  return listen(server, cleanups);
}

async function secure(certificate: { key: string; cert: string }): Promise<URL> {
  const server = https.createServer(certificate, (_request, response) => response.writeHead(418).end());
  server.on("tlsClientError", () => {});
  return new URL(`https://${await listen(server, cleanups)}/`);
}

const ALERT = Buffer.from([0x15, 3, 3, 0, 2, 2, 40]);

describe.each(WAYS)("a %s", (way) => {
  test.each<[string, ConnectFaultKind, "http" | "https", string | Buffer, ("end" | "reset")?]>([
    ["TLS to a port of plain HTTP", "not_tls", "https", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["TLS to a port that closes", "closed_in_tls", "https", ""],
    ["TLS to a port that resets", "closed_in_tls", "https", "", "reset"],
    ["TLS to a port that refuses the name", "tls_failed", "https", ALERT],
    ["plain HTTP to a port that answers in TLS", "tls_there", "http", ALERT],
    ["plain HTTP to a port that closes", "closed", "http", ""],
    ["plain HTTP to a port that resets", "closed", "http", "", "reset"],
    ["plain HTTP to a port of something else", "not_http", "http", "SSH-2.0-OpenSSH_9.6\r\n"],
  ])("of %s is %s", async (_name, kind, scheme, answer, how) => {
    const host = await saying(answer, how);
    expect(await faultOf(way, { server: new URL(`${scheme}://${host}/`) })).toBe(kind);
  });

  test("to nobody is refused, and to a name that nobody has does not come far", async () => {
    const server = net.createServer();
    const host = await listen(server, cleanups);
    server.close();
    expect(await faultOf(way, { server: new URL(`http://${host}/`) })).toBe("refused");
    expect(await faultOf(way, { server: new URL("http://no-such-host.invalid/") })).toBe("name_unknown");
  });

  test("takes a certificate that nobody vouches for where it is given", async () => {
    const certificate = createCertificate();
    const server = await secure(certificate);
    expect(await faultOf(way, { server })).toBe("certificate_untrusted");
    expect(await dial(way, { server, serverCa: certificate.cert })).toBe(418);
    const byName = new URL(`https://localhost:${server.port}/`);
    expect(await dial(way, { server: byName, serverCa: certificate.cert })).toBe(418);
    const another = createCertificate().cert;
    expect(await faultOf(way, { server, serverCa: another })).toBe("certificate_untrusted");
  });

  test.each([
    ["is not valid yet", "certificate_early", { fromYear: 2090 }],
    ["has expired", "certificate_expired", { untilYear: 2021 }],
    ["is for another name", "certificate_name", { isElsewhere: true }],
  ] as const)("refuses a certificate that %s, though it is trusted", async (_name, kind, options) => {
    const certificate = createCertificate(options);
    const server = await secure(certificate);
    expect(await faultOf(way, { server, serverCa: certificate.cert })).toBe(kind);
  });
});

type Proxy = { readonly url: URL; readonly asked: http.IncomingMessage[] };

/** A proxy that connects to whatever it is asked for, or answers with that status. */
async function proxy(status = 200, certificate?: { key: string; cert: string }): Promise<Proxy> {
  const asked: http.IncomingMessage[] = [];
  const server = certificate === undefined ? http.createServer() : https.createServer(certificate);
  server.on("connect", (request, socket) => {
    asked.push(request);
    socket.on("error", () => {});
    if (status !== 200) {
      socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 2\r\n\r\nno`);
      return;
    }
    const [, host = "", port] = /^(.*):(\d+)$/.exec(request.url ?? "") ?? [];
    const onward = net.connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      socket.pipe(onward).pipe(socket);
    });
    onward.on("error", () => socket.destroy());
    socket.on("close", () => onward.destroy());
    cleanups.push(() => onward.destroy());
  });
  const scheme = certificate === undefined ? "http" : "https";
  return { url: new URL(`${scheme}://${await listen(server, cleanups)}/`), asked };
}

describe.each(WAYS)("a %s through a proxy", (way) => {
  test("reaches servers with and without TLS, and shows the proxy its login and nothing else", async () => {
    const { url, asked } = await proxy();
    url.username = "us%3Aer";
    url.password = "p%40ss";
    const plain = await listen(
      http.createServer((_request, response) => response.writeHead(418).end()),
      cleanups,
    );
    const certificate = createCertificate();
    const server = await secure(certificate);
    expect(await dial(way, { server: new URL(`http://${plain}/`), proxy: url })).toBe(418);
    expect(await dial(way, { server, proxy: url, serverCa: certificate.cert })).toBe(418);
    expect(asked.map((request) => request.url)).toEqual([plain, server.host]);
    for (const { headers } of asked) {
      const login = Buffer.from("us:er:p@ss").toString("base64");
      expect(headers["proxy-authorization"]).toBe(`Basic ${login}`);
      expect(JSON.stringify(headers)).not.toContain("s3cret");
    }
  });

  test("that is reached by TLS itself reaches servers", async () => {
    const certificate = createCertificate();
    const { url } = await proxy(200, certificate);
    const server = await secure(certificate);
    expect(await dial(way, { server, proxy: url, serverCa: certificate.cert })).toBe(418);
    expect(await faultOf(way, { server, proxy: url })).toBe("proxy_unreachable");
  });

  test("fails by what the server's end does as without", async () => {
    const { url } = await proxy();
    const server = await secure(createCertificate());
    expect(await faultOf(way, { server, proxy: url })).toBe("certificate_untrusted");
    const host = await saying("HTTP/1.1 400 Bad Request\r\n\r\n");
    expect(await faultOf(way, { server: new URL(`https://${host}/`), proxy: url })).toBe("not_tls");
  });

  test.each([
    [407, "proxy_login"],
    [403, "proxy_denied"],
    [502, "proxy_failed"],
  ] as const)("that answers %i is %s", async (status, kind) => {
    const { url } = await proxy(status);
    url.username = "user";
    url.password = "s3cret";
    const server = new URL("http://192.0.2.1/");
    expect(await faultOf(way, { server, proxy: url })).toBe(kind);
  });

  test("that is not there says so of the proxy", async () => {
    const server = new URL("http://192.0.2.1/");
    const gone = net.createServer();
    const host = await listen(gone, cleanups);
    gone.close();
    expect(await faultOf(way, { server, proxy: new URL(`http://${host}`) })).toBe("proxy_refused");
    const nameless = new URL("http://no-such-host.invalid:3128");
    expect(await faultOf(way, { server, proxy: nameless })).toBe("proxy_name_unknown");
    const closing = new URL(`http://${await saying("")}`);
    expect(await faultOf(way, { server, proxy: closing })).toBe("proxy_unreachable");
  });
});

test("a server of Node's that speaks TLS closes what is spoken to it without", async () => {
  const host = await listen(tls.createServer(createCertificate()), cleanups);
  expect(await faultOf("call", { server: new URL(`http://${host}/`) })).toBe("closed");
});

test("what waits for a proxy that says nothing is given up with it", async () => {
  const silent = net.createServer();
  const url = new URL(`http://${await listen(silent, cleanups)}`);
  const server = new URL("http://192.0.2.1/");
  const options = { server, dialler: new Dialler({ server, proxy: url }), messageBytesMax: 1_000 };
  const log = new EventLog<ApiEvent | AgentSocketEvent>();
  const client = new ApiClient({ ...options, dispatch: log.dispatch });
  const sockets = new AgentSockets({ ...options, dispatch: log.dispatch });
  const order = { socket: 1 as SocketId, target: "/x", headers: [], protocols: [] };
  for (const end of [
    () => client.close(),
    () => sockets.perform({ type: "socket_terminate", socket: order.socket }),
  ]) {
    const asked = new Promise<net.Socket>((resolve) => silent.once("connection", resolve));
    if (log.events.length === 0)
      client.perform({ type: "api_call", call: 1 as CallId, target: "/x", token: "t" });
    else sockets.perform({ type: "socket_connect", ...order });
    const gone = new Promise((resolve) => void asked.then((socket) => socket.on("close", resolve).resume()));
    await asked;
    end();
    await gone;
    await log.until(() => log.events.length > 0);
  }
  expect(await log.first("api_failed")).toMatchObject({ call: 1 });
  expect(await log.first("socket_closed")).toMatchObject({ socket: 1 });
});
