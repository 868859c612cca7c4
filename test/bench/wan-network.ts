/**
 * A house behind a line, on this machine: a network namespace whose only way out leads through a router of ours
 * (`router-process.ts`), packet by packet, so that at both ends the kernel's TCP meets delay, rate and losses as on a real
 * line. The router gets the packets by VXLAN from a namespace between the two. Its queue drops what does not fit.
 *
 * TCP is cubic on this way, as at most of the world's ends; a machine's own default may hide what a queue does.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { type Child, startChild } from "../demo/child.ts";
import type { Cleanup } from "../demo/cleanup.ts";

/** Both ways alike. `delayMs` is one way. */
export type WanLine = {
  readonly name: string;
  readonly bitsPerMs: number;
  readonly delayMs: number;
  readonly queueBytes: number;
};

/** Where the processes of the home run, and by which addresses the two sides reach each other. */
export type Wan = {
  readonly home: string;
  readonly homeAddress: string;
  readonly outsideAddress: string;
};

/** Why there can be no such network here; null where there can. */
export function wanMissing(): string | null {
  if (process.platform !== "linux") return "network namespaces need Linux";
  if (process.getuid?.() !== 0) return "network namespaces and VXLAN need root";
  if (ipTool() === null) return "the ip command (iproute2) is not installed";
  const probe = `${PREFIX}probe`;
  try {
    ip("link", "add", probe, ...vxlan(OUTSIDE.near, OUTSIDE.far, PROBE));
    ip("link", "del", probe);
    return null;
  } catch (error) {
    return `the kernel gives no VXLAN device: ${error instanceof Error ? error.message : String(error)}`;
  }
}

export async function startWan(line: WanLine, cleanup: Cleanup): Promise<Wan> {
  remove();
  cleanup.add(async () => remove());
  ip("netns", "add", ROUTER);
  ip("netns", "add", HOME);
  ip("link", "add", `${PREFIX}0`, "type", "veth", "peer", "name", "outside", "netns", ROUTER);
  inside(ROUTER, "link", "add", "home", "type", "veth", "peer", "name", "line", "netns", HOME);
  inside(ROUTER, "addr", "add", `${OUTSIDE.far}/30`, "dev", "outside");
  inside(ROUTER, "addr", "add", `${HOUSE.far}/30`, "dev", "home");
  for (const device of ["outside", "home"]) inside(ROUTER, "link", "set", device, "up");
  inside(HOME, "link", "set", "lo", "up");
  connectEnd(ip, `${PREFIX}0`, OUTSIDE);
  connectEnd((...args) => inside(HOME, ...args), "line", HOUSE);
  const router: Child = await startChild({
    name: "router",
    file: "test/bench/router-process.ts",
    args: [OUTSIDE.near, HOUSE.near, PORT, line.bitsPerMs, line.delayMs, line.queueBytes].map(String),
    readyPrefix: "carrying",
    namespace: ROUTER,
  });
  cleanup.add(() => router.stop());
  return { home: HOME, homeAddress: HOUSE.inner, outsideAddress: OUTSIDE.inner };
}

type End = {
  /** Of the packets around the packets: here, and the router's. */
  readonly near: string;
  readonly far: string;
  /** What programs use. */
  readonly inner: string;
};

const PREFIX = "cvwan";
const ROUTER = `${PREFIX}-router`;
const HOME = `${PREFIX}-home`;
const PORT = 4790;
const OUTSIDE: End = { near: "10.213.7.1", far: "10.213.7.2", inner: "10.213.8.1" };
const HOUSE: End = { near: "10.213.7.6", far: "10.213.7.5", inner: "10.213.8.2" };
/** One packet at a time: a line knows no larger ones. */
const NO_OFFLOAD = ["gso_max_segs", "1"];

function connectEnd(run: (...args: string[]) => void, device: string, { near, far, inner }: End): void {
  const tunnel = `${PREFIX}x`;
  run("addr", "add", `${near}/30`, "dev", device);
  run("link", "set", device, "up", ...NO_OFFLOAD);
  run("link", "add", tunnel, ...vxlan(near, far));
  run("link", "set", tunnel, "mtu", "1450", "up", ...NO_OFFLOAD);
  run("addr", "add", `${inner}/30`, "dev", tunnel);
  run("route", "replace", INNER_NETWORK, "dev", tunnel, "src", inner, "congctl", "cubic");
}

const INNER_NETWORK = "10.213.8.0/30";

/** Two of one number cannot be. */
const NETWORK = "7";
const PROBE = "8";

function vxlan(local: string, remote: string, id = NETWORK): string[] {
  return ["type", "vxlan", "id", id, "local", local, "remote", remote, "dstport", String(PORT)];
}

/** What a run that was killed may have left as well. */
function remove(): void {
  for (const args of [
    ["netns", "del", ROUTER],
    ["netns", "del", HOME],
    ["link", "del", `${PREFIX}x`],
    ["link", "del", `${PREFIX}0`],
  ]) {
    try {
      ip(...args);
    } catch {
      // It was not there.
    }
  }
}

function inside(namespace: string, ...args: string[]): void {
  ip("-n", namespace, ...args);
}

function ip(...args: string[]): void {
  execFileSync(ipTool() ?? "ip", args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
}

/** It is often not in the path of a shell that is root's without a login. */
function ipTool(): string | null {
  return ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"].find((path) => existsSync(path)) ?? null;
}
