import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { handshake, masked, start } from "./web-sockets-harness.ts";

describe("a handshake", () => {
  test("is reported with target and headers, and opens the socket once accepted", async () => {
    const run = await start();
    const client = run.connect("/ws?clientId=a%20b", { "X-Odd": "1" });
    const requested = await run.log.first("upgrade_requested");
    expect(requested.socket).toBe(1);
    expect(requested.target).toBe("/ws?clientId=a%20b");
    expect(requested.headers).toEqual(expect.arrayContaining(["X-Odd", "1"]));
    run.sockets.perform({ type: "upgrade_accept", socket: requested.socket, protocol: null });
    await once(client, "open");
    expect(client.extensions).toBe("");
    expect(run.log.types()).toEqual(["upgrade_requested", "socket_opened"]);
  });

  test("T23 that is refused brings status, headers and body to the visitor, then closes", async () => {
    const run = await start();
    const client = run.raw();
    handshake(client);
    const { socket } = await run.log.first("upgrade_requested");
    run.sockets.perform({
      type: "upgrade_refuse",
      socket,
      status: 401,
      headers: ["content-type", "text/plain", "content-length", "2", "X-Two", "1", "X-Two", "2"],
      body: Buffer.from("no"),
    });
    await client.untilEnded();
    expect(client.ending).toBe("end");
    expect(client.text).toMatch(
      /^HTTP\/1.1 401 Unauthorized\r\n.*X-Two: 1\r\nX-Two: 2\r\n.*close\r\n\r\nno$/s,
    );
    client.socket.end();
    expect(await run.log.first("socket_closed")).toEqual({
      type: "socket_closed",
      socket,
      code: 1006,
      reason: "",
    });
  });

  test("is closed when its visitor leaves before the answer, which then changes nothing", async () => {
    const run = await start();
    const client = run.raw();
    handshake(client);
    const { socket } = await run.log.first("upgrade_requested");
    client.leave();
    expect((await run.log.first("socket_closed")).code).toBe(1006);
    run.sockets.perform({ type: "upgrade_accept", socket, protocol: null });
    run.sockets.perform({ type: "socket_send_text", socket, text: "late" });
    run.sockets.perform({ type: "socket_terminate", socket });
    expect(run.log.types()).toEqual(["upgrade_requested", "socket_closed"]);
  });

  test("that waits can be terminated", async () => {
    const run = await start();
    const client = run.raw();
    handshake(client);
    const { socket } = await run.log.first("upgrade_requested");
    run.sockets.perform({ type: "socket_terminate", socket });
    await run.log.first("socket_closed");
    await client.untilEnded();
    expect(client.text).toBe("");
  });

  test.each([true, false])(
    "keeps what came before the answer (in one piece with it: %s)",
    async (together) => {
      const run = await start();
      const client = run.raw();
      const early = masked(0x81, Buffer.from("early"));
      if (together) client.socket.cork();
      handshake(client);
      if (together) client.socket.write(early);
      client.socket.uncork();
      const { socket } = await run.log.first("upgrade_requested");
      if (!together) client.socket.write(early);
      run.sockets.perform({ type: "upgrade_accept", socket, protocol: null });
      client.socket.write(masked(0x81, Buffer.from("later")));
      await run.log.until(() => run.log.all("socket_text").length === 2);
      expect(run.log.all("socket_text").map((event) => event.text)).toEqual(["early", "later"]);
    },
  );

  test("speaks no subprotocol and takes websocket from a list", async () => {
    const run = await start();
    const client = run.raw();
    handshake(client, "upgrade: h2c, websocket", "sec-websocket-protocol: chat, ,,");
    run.sockets.perform({
      type: "upgrade_accept",
      socket: (await run.log.first("upgrade_requested")).socket,
      protocol: null,
    });
    await client.untilText("\r\n\r\n");
    expect(client.text).toMatch(/^HTTP\/1.1 101 /);
    expect(client.text).not.toMatch(/sec-websocket-protocol/i);
  });
});

describe("a subprotocol", () => {
  test.each(["culvert.1, other", "other,culvert.1", "chat, ,,culvert.1,"])(
    "is the one that was ordered, out of %j",
    async (offered) => {
      const run = await start();
      const client = run.raw();
      handshake(client, "upgrade: websocket", `sec-websocket-protocol: ${offered}`);
      const { socket } = await run.log.first("upgrade_requested");
      run.sockets.perform({ type: "upgrade_accept", socket, protocol: "culvert.1" });
      await client.untilText("\r\n\r\n");
      expect(client.text).toMatch(/^HTTP\/1.1 101 .*\r\nSec-WebSocket-Protocol: culvert\.1\r\n/s);
    },
  );
});

describe("a handshake that is forwarded", () => {
  test("is handed on without a further event, and orders for its socket change nothing", async () => {
    const run = await start();
    const client = run.raw();
    handshake(client);
    const { socket } = await run.log.first("upgrade_requested");
    run.sockets.perform({ type: "upgrade_forward", socket });
    expect(run.forwarded.map((request) => request.url)).toEqual(["/ws"]);
    run.sockets.perform({ type: "upgrade_accept", socket, protocol: null });
    run.sockets.perform({ type: "socket_terminate", socket });
    const { client: other } = await run.open();
    client.leave();
    other.close();
    await run.log.first("socket_closed");
    expect(run.log.events.filter((event) => event.socket === socket).map(({ type }) => type)).toEqual([
      "upgrade_requested",
    ]);
    expect(client.text).toBe("");
  });
});
