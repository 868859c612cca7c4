/**
 * The process that starts the workers and has the operator's listener. Each worker is a node of its own with a listener of its own
 * at the one port (SO_REUSEPORT): the kernel gives each connection to one of them, and no other process has a part in it. With
 * `node:cluster`, the primary would accept all connections and pass each on, and be one process that all visitors need.
 *
 * Workers reach one another by Unix sockets in a folder that only this user may enter, with a secret of this run; where the machine
 * has peers (`--peer-bind`), by a port of its own each, as nodes of other machines do.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unreachable } from "../../core/assert.ts";
import {
  createWorkers,
  stepWorkers,
  type Workers,
  type WorkersEffect,
  type WorkersEvent,
  workersDeadlineMs,
} from "../../core/workers/workers.ts";
import { monotonicNowMs } from "../clock.ts";
import { Driver } from "../driver.ts";
import { causeOf } from "../error-cause.ts";
import { startAdmin } from "../operator/admin.ts";
import type { Logger } from "../operator/log.ts";
import { openRegistry } from "../registry/registry.ts";
import { listening, type RunningServer, type ServerSettings } from "../server/server.ts";
import type { PeerConfig, ServeConfig } from "../settings/settings.ts";
import { listenAt } from "../socket/listening.ts";
import { StartupError } from "../startup-error.ts";
import { MachineHealth } from "./machine-health.ts";
import { type WorkerExit, WorkerProcess } from "./process.ts";

export type RunningMachine = Pick<RunningServer, "address" | "adminPort" | "ended" | "stop"> & {
  /** Gives all workers settings that were read again. */
  change(settings: ServeConfig): void;
};

/** Rejects with `StartupError` for what keeps it from serving, with the code of a worker where none can start. */
export async function startPrimary(first: ServerSettings, logger: Logger): Promise<RunningMachine> {
  const inherited = first.inherited ?? { visitors: null, admin: null };
  await migrate(first);
  const settings = inherited.visitors === null ? await withFreePort(first) : first;
  const folder = settings.peer === null ? makeFolder() : null;
  const secret = randomBytes(32).toString("hex");
  const workers = createWorkers(settings.workers);
  const processes = new Map<number, WorkerProcess>();
  const whole = Promise.withResolvers<AddressInfo>();
  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => {});
  let address: AddressInfo | null = null;
  let changed: ServeConfig = first;

  const health = new MachineHealth(
    () =>
      [...processes]
        .filter(([slot]) => workers.slots[slot]?.phase === "serving")
        .map(([slot, process]) => ({ worker: slot + 1, process })),
    () => workers.isStopping,
  );
  const { adminBind, adminPort, reusePort } = settings;
  const admin = await listening(
    "the operator",
    startAdmin({ bind: adminBind, port: adminPort, reusePort, fd: inherited.admin, health }),
  );
  const driver = new Driver<Workers, WorkersEvent, WorkersEffect>({
    state: workers,
    step: stepWorkers,
    deadlineMs: workersDeadlineMs,
    perform,
    nowMs: monotonicNowMs,
    onFatal: (error) => {
      ended.reject(error);
      whole.reject(error);
    },
  });

  function perform(effect: WorkersEffect): void {
    switch (effect.type) {
      case "worker_start":
        return start(effect.slot);
      case "worker_stop":
        return processes.get(effect.slot)?.stop();
      case "all_ready":
        if (address !== null) whole.resolve(address);
        return;
      case "ended":
        return void end(effect.code);
      default:
        unreachable(effect);
    }
  }

  function start(slot: number): void {
    const started = new WorkerProcess({
      worker: slot + 1,
      settings: { ...settings, peer: settings.peer === null ? ownPeer(slot) : nextPeer(settings.peer, slot) },
      visitorsFd: inherited.visitors,
      onReady: (at) => {
        address = at;
        // As the others heard of it: what needs a restart of the machine is as before at all of them.
        if (changed !== first) started.change(changed);
        driver.dispatch({ type: "worker_ready", slot });
      },
      onExit: (exit) => {
        health.forget(started);
        processes.delete(slot);
        logExit(slot, started.pid, exit);
        driver.dispatch({ type: "worker_exited", slot, code: exit.code });
      },
    });
    processes.set(slot, started);
  }

  function logExit(slot: number, pid: number, { code, signal, error }: WorkerExit): void {
    const cause = error === null ? {} : { cause: causeOf(error) };
    const fields = { worker: slot + 1, pid, code, signal, ...cause };
    if (workers.isStopping && code === 0) logger.info(fields, "worker ended");
    else logger.error(fields, "worker ended");
  }

  /** A name for each process: what the last one of the slot has left there is not the next one's. */
  function ownPeer(slot: number): PeerConfig {
    const path = join(folder ?? "", `${slot + 1}-${workers.slots[slot]?.starts}`);
    const tls = { cert: null, key: null, ca: null };
    return { bind: "", port: 0, path, url: `unix:${path}`, secrets: [secret], tls };
  }

  async function end(code: number): Promise<void> {
    driver.stop();
    await admin.close();
    health.close();
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
    if (code === 0) return ended.resolve();
    const error = new StartupError(
      workers.isStopping ? `a worker ended with ${code}` : "no worker can start: see what they said",
      { exitCode: code },
    );
    whole.reject(error);
    ended.reject(error);
  }

  const stop = () => {
    driver.dispatch({ type: "stop_requested" });
    return ended.promise;
  };
  if (folder !== null) process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  driver.dispatch({ type: "tick" });
  return {
    address: await whole.promise,
    adminPort: admin.port,
    ended: ended.promise,
    stop,
    change: (next) => {
      changed = next;
      for (const each of processes.values()) each.change(next);
    },
  };
}

/** Before any worker, so that they do not wait for one another. */
async function migrate({ database }: ServeConfig): Promise<void> {
  const registry = await openRegistry(database, () => {});
  await registry.close();
}

/**
 * With the port that the workers share. Anybody of the same user may listen beside them, so whoever has it already is found by a
 * listener that shares with nobody. With `--reuse-port` a server that leaves may be there.
 */
async function withFreePort(settings: ServerSettings): Promise<ServerSettings> {
  if (settings.reusePort) return settings;
  const server = createServer();
  const { bind, port } = settings;
  const address = await listening("visitors and agents", listenAt(server, { bind, port }));
  await new Promise((closed) => server.close(closed));
  return { ...settings, port: address.port, reusePort: true };
}

/** Each worker has the next port. */
function nextPeer(peer: PeerConfig, slot: number): PeerConfig {
  const url = new URL(peer.url);
  url.port = String(peer.port + slot);
  return { ...peer, port: peer.port + slot, url: url.origin };
}

/** Of the longest path that a Unix socket may have, what is left for names of sockets. */
const FOLDER_LENGTH_MAX = 80;

function makeFolder(): string {
  let folder: string;
  try {
    folder = mkdtempSync(join(tmpdir(), "culvert-workers-"));
  } catch (error) {
    throw new StartupError(`cannot make a folder for the workers' sockets: ${causeOf(error)}; set TMPDIR`, {
      cause: error,
    });
  }
  if (folder.length <= FOLDER_LENGTH_MAX) return folder;
  rmSync(folder, { recursive: true, force: true });
  throw new StartupError("the path of TMPDIR is too long for the workers' sockets: set a shorter one");
}
