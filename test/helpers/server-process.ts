/** A server as a process of its own, which can be killed and started again where it was. */
import { onTestFinished } from "vitest";
import { type Child, startChild } from "../demo/child.ts";
import { ACCESS_TOKEN } from "./tunnel.ts";

export type ServerProcess = { readonly child: Child; readonly url: string; readonly port: number };

/** `database` is the path of a SQLite file; a port of 0 takes any free one. */
export async function startServerProcess(
  database: string,
  port = 0,
  flags: readonly string[] = [],
): Promise<ServerProcess> {
  const own = [`--port=${port}`, "--bind=127.0.0.1", "--admin-port=0", `--database=sqlite:${database}`];
  const child = await startChild({
    name: "server",
    file: "dist/program.cjs",
    args: ["serve", ...own, ...flags],
    environment: { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN },
    readyPrefix: "listening on ",
  });
  onTestFinished(() => child.stop());
  return { child, url: child.readyText, port: Number(new URL(child.readyText).port) };
}

export function kill({ pid, ended }: Child): Promise<string> {
  process.kill(pid, "SIGKILL");
  return ended;
}
