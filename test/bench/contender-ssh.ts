/**
 * `ssh -R`: what people use who have a server and install nothing. An sshd of its own on 127.0.0.1, with keys that are
 * made for this run, for the user who runs the bench.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Contender, Running } from "./contenders.ts";
import { findProgram, freePort, type Program, startProgram } from "./program.ts";

export const sshReverse: Contender = {
  name: "ssh -R",
  missing: () => {
    const absent = PROGRAMS.filter((name) => findProgram(name) === null);
    if (absent.length > 0) return `${absent.join(" and ")} not installed`;
    const needsFolder = userInfo().uid === 0 && !existsSync(PRIVILEGE_FOLDER);
    return needsFolder ? `for root, sshd needs ${PRIVILEGE_FOLDER}, which its service makes` : null;
  },
  start: async ({ originUrl, folder, link }) => {
    const [sshd, ssh, keygen] = PROGRAMS.map(findProgram);
    if (!sshd || !ssh || !keygen) throw new Error("OpenSSH is not installed");
    for (const key of ["host", "user"]) {
      await promisify(execFile)(keygen, ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, key)]);
    }
    await copyFile(join(folder, "user.pub"), join(folder, "authorized"));
    const serverPort = await freePort();
    await writeFile(join(folder, "sshd.conf"), serverConfiguration(folder, serverPort));
    const server = await startProgram({
      file: sshd,
      args: ["-D", "-e", "-f", join(folder, "sshd.conf")],
      port: serverPort,
    });
    try {
      const publicPort = await freePort();
      const agent = await startProgram({
        file: ssh,
        args: [
          ...["-F", "none", "-N", "-i", join(folder, "user"), "-o", "IdentitiesOnly=yes"],
          ...["-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ExitOnForwardFailure=yes"],
          ...["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"],
          ...["-R", `127.0.0.1:${publicPort}:${new URL(originUrl).host}`],
          ...["-p", new URL(await link(`http://127.0.0.1:${serverPort}`)).port],
          `${userInfo().username}@127.0.0.1`,
        ],
        port: publicPort,
      });
      return running(publicPort, server, agent);
    } catch (error) {
      await server.stop();
      throw error;
    }
  },
};

/** Compiled into the sshd of Debian and others; only one that runs as root uses it. */
const PRIVILEGE_FOLDER = "/run/sshd";

const PROGRAMS = ["sshd", "ssh", "ssh-keygen"] as const;

function serverConfiguration(folder: string, port: number): string {
  return `
ListenAddress 127.0.0.1:${port}
HostKey ${join(folder, "host")}
AuthorizedKeysFile ${join(folder, "authorized")}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
LogLevel ERROR
`;
}

function running(port: number, server: Program, agent: Program): Running {
  // sshd has one process that listens and one or two for the connection: together they are the server.
  const processes = [
    ...server
      .processes()
      .map((pid, index) => ({ role: index === 0 ? "server" : `server, child ${index}`, pid })),
    ...agent.processes().map((pid) => ({ role: "agent", pid })),
  ];
  return {
    target: (path) => ({ url: `http://127.0.0.1:${port}${path}`, headers: {} }),
    processes,
    stop: async () => {
      await agent.stop();
      await server.stop();
    },
  };
}
