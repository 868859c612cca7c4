/** The one idle rule over real sockets, with a limit of a fraction of a second at the server alone. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { bodyOf, HOST, startPassage } from "../helpers/passage.ts";
import { statuses } from "../helpers/raw-http.ts";

const IDLE_MS = 300;
const lowered = { server: { limits: { exchangeIdleMs: IDLE_MS } } };

test("a home that does not begin its answer is given up by its agent, and the problem names the server's limit", async () => {
  const { home, visit, settled } = await startPassage("native", lowered);
  const visitor = visit();
  visitor.send("GET /x HTTP/1.1", HOST, "", "");
  const call = await home.call();
  await visitor.untilText('"code":"origin_timeout"');
  expect(statuses(visitor)).toEqual([504]);
  expect(JSON.parse(bodyOf(visitor.text)).detail).toBe(
    "The limit is exchangeIdleMs=300, in milliseconds; the server's --limit sets it.",
  );
  await call.untilEnded();
  await settled();
});

test("a visitor who stops his upload is told the same limit", async () => {
  const { visit, settled } = await startPassage("native", lowered);
  const visitor = visit();
  visitor.send("POST /x HTTP/1.1", HOST, "Content-Length: 20", "", "half");
  await visitor.untilEnded();
  expect(statuses(visitor)).toEqual([408]);
  expect(JSON.parse(bodyOf(visitor.text)).detail).toContain("exchangeIdleMs=300,");
  await settled();
});

test("a visitor who does not finish his head is told which limit he passed", async () => {
  const { visit } = await startPassage("native", { server: { limits: { headMs: IDLE_MS } } });
  const visitor = visit();
  visitor.send("GET /x HTTP/1.1", "");
  await visitor.untilEnded();
  expect(statuses(visitor)).toEqual([408]);
  expect(JSON.parse(bodyOf(visitor.text)).detail).toContain("headMs=300,");
});

test("a WebSocket may be silent for longer, while the kernel probes both of its connections", async () => {
  const { server, home, homeHost, visit, settled } = await startPassage("native", lowered);
  const visitor = visit();
  const asked = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
  visitor.send("GET /socket HTTP/1.1", HOST, ...asked, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "");
  const call = await home.call();
  const accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  call.send("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", accept, "", "");
  await visitor.untilText("\r\n\r\n");
  await new Promise((resolve) => setTimeout(resolve, 4 * IDLE_MS));
  if (process.platform === "linux") {
    expect(isProbed({ from: server.port, to: portOf(visitor.socket.localPort) })).toBe(true);
    expect(isProbed({ from: portOf(call.socket.remotePort), to: Number(homeHost.split(":")[1]) })).toBe(true);
  }
  call.socket.write("\x81\x05hello");
  await visitor.untilText("hello");
  call.socket.end();
  visitor.socket.end();
  await settled();
});

function portOf(port: number | undefined): number {
  return port ?? expect.fail("a socket has no port");
}

/** Whether the connection's keep-alive timer runs, by the kernel's table: a timer of kind 2 (Linux, proc_net_tcp). */
function isProbed({ from, to }: { readonly from: number; readonly to: number }): boolean {
  const [local, remote] = [from, to].map(
    (port) => `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`,
  );
  const lines = readFileSync("/proc/net/tcp", "utf8").split("\n");
  const line = lines.find((each) => each.includes(`${local} ${remote} 01 `));
  return line?.includes(" 02:") ?? expect.fail("the kernel knows no such connection");
}
