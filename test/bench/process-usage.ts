/** What the kernel knows about a process: CPU time and resident memory, read from `/proc` (Linux only). */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * CPU seconds of all threads since the process started, user and system. In steps of 10 ms: the kernel reports ticks,
 * and their length is fixed at a hundredth of a second for every Linux program (USER_HZ).
 */
export function cpuSeconds(pid: number): number {
  return parseCpuSeconds(readFileSync(`/proc/${pid}/stat`, "latin1"));
}

/** The most that was resident at any time since the process started, in bytes. */
export function peakMemoryBytes(pid: number): number {
  return parseStatusBytes(readFileSync(`/proc/${pid}/status`, "latin1"), "VmHWM");
}

/** What is resident now, in bytes. */
export function memoryBytes(pid: number): number {
  return parseStatusBytes(readFileSync(`/proc/${pid}/status`, "latin1"), "VmRSS");
}

/** Whether the kernel's connections hold so much memory together that it gives them as little as it can. */
export function isKernelStarved(): boolean {
  const used = /^TCP:.* mem (\d+)$/m.exec(readFileSync("/proc/net/sockstat", "latin1"))?.[1];
  const [, pressure] = readFileSync("/proc/sys/net/ipv4/tcp_mem", "latin1").trim().split(/\s+/);
  return Number(used) >= Number(pressure);
}

/** How many connections the process has to that port of this machine. */
export function connectionsTo(pid: number, port: number): number {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inodes = new Set<string>();
  for (const line of readFileSync(`/proc/${pid}/net/tcp`, "latin1").split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    if (fields[2]?.endsWith(remote)) inodes.add(`socket:[${fields[9]}]`);
  }
  const folder = `/proc/${pid}/fd`;
  const targets = readdirSync(folder).map((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`);
    } catch {
      // It was closed since.
      return "";
    }
  });
  return targets.filter((target) => inodes.has(target)).length;
}

/** Fields 14 and 15 of proc_pid_stat(5). The second is the program's name and may hold anything, so count from its end. */
export function parseCpuSeconds(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  if (!Number.isInteger(ticks)) throw new Error("/proc/PID/stat is not what proc_pid_stat(5) says");
  return ticks / 100;
}

export function parseStatusBytes(status: string, field: "VmHWM" | "VmRSS"): number {
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  if (kibibytes === undefined) throw new Error(`/proc/PID/status has no ${field}`);
  return Number(kibibytes) * 1024;
}
