/**
 * Node joins its threads when it exits, and one of them may be inside a call that returns when it likes: a name is looked up for
 * as long as the system's resolver has patience with a server that is silent, which can be half a minute, and a file may be on a network.
 */
import { existsSync } from "node:fs";

const SHELL = "/bin/sh";

/** As `process.getActiveResourcesInfo` names calls that a thread is inside of. */
const THREAD_CALL = /^(GetAddrInfo|GetNameInfo|FSReq)/;

/**
 * For the last line of an `exit` listener: where a thread is not back, a shell that does nothing but exit with the same code
 * takes the place of the process, and the system ends the threads. Where there is no shell, Node has to wait.
 */
export function leaveThreads(code: number): void {
  if (!process.getActiveResourcesInfo().some((name) => THREAD_CALL.test(name))) return;
  if (process.execve === undefined || !existsSync(SHELL)) return;
  process.execve(SHELL, ["sh", "-c", `exit ${code}`], {});
}
