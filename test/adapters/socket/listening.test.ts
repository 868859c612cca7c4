import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { inheritedListeners } from "../../../adapters/socket/listening.ts";

const PID = 42;

describe("sockets that whoever started the process has opened", () => {
  it.each([
    ["none", {}, null, null],
    ["one", { LISTEN_FDS: "1" }, 3, null],
    ["two, in their order", { LISTEN_FDS: "2" }, 3, 4],
    ["two that have names", { LISTEN_FDS: "2", LISTEN_FDNAMES: "admin:culvert.socket" }, 4, 3],
    ["two with names of their unit", { LISTEN_FDS: "2", LISTEN_FDNAMES: "culvert:culvert" }, 3, 4],
    ["one for the operator alone", { LISTEN_FDS: "1", LISTEN_FDNAMES: "admin" }, null, 3],
  ])("are %s", (_, env, visitors, admin) => {
    expect(inheritedListeners({ LISTEN_PID: String(PID), ...env }, PID)).toEqual({ visitors, admin });
  });

  it("are left alone where they are for another process, such as the shell that has started this one", () => {
    expect(inheritedListeners({ LISTEN_PID: "41", LISTEN_FDS: "2" }, PID)).toEqual({
      visitors: null,
      admin: null,
    });
  });

  it.each(["3", "-1", "x"])("keep it from starting where their number is %s", (count) => {
    expect(() => inheritedListeners({ LISTEN_PID: String(PID), LISTEN_FDS: count }, PID)).toThrow(
      "LISTEN_FDS",
    );
  });
});

describe.runIf(process.platform === "linux")("what connects while the process is busy", () => {
  it("waits, as many as the system allows", async () => {
    await connectAll(await stalledPort([], "ignore"));
  });

  it("waits at an inherited socket, whose queue may have been shorter", async () => {
    const inherited = createServer();
    const shorter = { port: 0, host: "127.0.0.1", backlog: 8 };
    await new Promise<void>((resolve) => inherited.listen(shorter, resolve));
    const port = await stalledPort(["inherited"], fdOf(inherited));
    // It would accept here what is to wait there.
    inherited.close();
    await connectAll(port);
  });

  /** Each is connected although nobody accepts it. */
  async function connectAll(port: number): Promise<void> {
    const allowed = Number(readFileSync("/proc/sys/net/core/somaxconn", "latin1"));
    const sockets = Array.from({ length: Math.min(1_500, allowed) }, () => connect(port, "127.0.0.1"));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
  }

  async function stalledPort(args: string[], third: "ignore" | number): Promise<number> {
    const listener = fork(new URL("stalled-listener.ts", import.meta.url), args, {
      stdio: ["ignore", "inherit", "inherit", third, "ipc"],
    });
    onTestFinished(() => {
      listener.kill("SIGKILL");
    });
    const [port] = await once(listener, "message");
    return port;
  }

  /** Node tells it nowhere else. */
  function fdOf(server: Server): number {
    const { _handle: handle } = server as unknown as { _handle: { fd: number } };
    return handle.fd;
  }
});
