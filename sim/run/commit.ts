/** The commit that runs. */
import { execFileSync } from "node:child_process";

/** Its full hash, 40 hexadecimal digits; empty where there is no repository. */
export function commitHash(): string {
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], { stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trim();
  } catch {
    return "";
  }
}

/** Short, for a person to read. */
export function commitName(): string {
  return commitHash().slice(0, 7);
}
