/**
 * Where a listener comes from: an address of its own, or a socket that whoever started the process has opened, as systemd does
 * (sd_listen_fds(3)). Such a socket outlives the process: what connects while there is none waits in its queue.
 */
import type { AddressInfo, Server } from "node:net";
import { StartupError } from "../startup-error.ts";

export type Listening = {
  readonly bind: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Whether other processes of the same user may listen there as well: the kernel gives each connection to one of them. */
  readonly reusePort?: boolean;
  /** An inherited socket, which is used in place of the address; null where there is none. */
  readonly fd?: number | null;
  /** A Unix socket to be made, in place of the address. */
  readonly path?: string | null;
};

export type InheritedListeners = { readonly visitors: number | null; readonly admin: number | null };

const NONE: InheritedListeners = { visitors: null, admin: null };

/** SD_LISTEN_FDS_START. */
const FIRST_FD = 3;
const FDS_MAX = 2;

/** By systemd's names where one is `admin`, else the first for visitors and agents, the second for the operator. */
export function inheritedListeners(env: NodeJS.ProcessEnv, pid: number): InheritedListeners {
  const { LISTEN_PID: forPid, LISTEN_FDS: count = "", LISTEN_FDNAMES: names = "" } = env;
  // Meant for another process, such as a shell that has started this one.
  if (forPid !== String(pid) || count === "" || count === "0") return NONE;
  if (!/^[12]$/.test(count)) {
    throw new StartupError(
      `LISTEN_FDS is ${count}: at most ${FDS_MAX} sockets are taken, for visitors and for the operator`,
    );
  }
  const fds = Array.from({ length: Number(count) }, (_, index) => FIRST_FD + index);
  const named = names.split(":").indexOf(ADMIN);
  const admin = fds[named] ?? fds[1] ?? null;
  return { visitors: fds.find((fd) => fd !== admin) ?? null, admin };
}

const ADMIN = "admin";

/**
 * Connections that wait to be accepted: as many as the system allows, `net.core.somaxconn` on Linux. Where thousands of agents
 * lose one server, they come to the next within moments. Node's 511 would hold for an inherited socket as well.
 */
const BACKLOG = 65_535;

/** Resolves to where it listens. Rejects with Node's error where that cannot be had. */
export function listenAt(server: Server, listening: Listening): Promise<AddressInfo> {
  const { bind: host, port, reusePort = false, fd = null, path = null } = listening;
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const where = path !== null ? { path } : fd !== null ? { fd } : { host, port, reusePort };
    // Of an inherited socket Node takes it in this place alone.
    server.listen(where, BACKLOG, () => {
      server.off("error", reject);
      const address = server.address();
      if (path !== null) resolve({ address: path, family: "unix", port: 0 });
      else if (address === null || typeof address === "string") reject(new Error("not a TCP listener"));
      else resolve(address);
    });
  });
}
