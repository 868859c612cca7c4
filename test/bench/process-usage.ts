/** What the kernel knows about a process: CPU time and resident memory, read from `/proc` (Linux only). */
import { readFileSync } from "node:fs";

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
