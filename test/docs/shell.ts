/** A shell in which the commands of the documents run, with something in place of the machines that they name. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { temporaryFolder } from "../helpers/tunnel.ts";
import { Watch } from "../helpers/watch.ts";
import { ROOT } from "./documents.ts";

/** What stands in for the machines and files of the documents when a command is run here. */
export type Place = {
  /** Texts of the command line, each with what stands in its place. */
  readonly replaced?: Readonly<Record<string, string>>;
  /** Files of the folder that it runs in, by name, with what they hold. */
  readonly files?: Readonly<Record<string, string>>;
  /** Instead of a folder of its own. */
  readonly folder?: string;
  readonly environment?: NodeJS.ProcessEnv;
};

/** Runs a command line in a shell that finds `culvert`. Those of npm run from the top of the repository. */
export function run(line: string, place: Place = {}) {
  let command = line;
  for (const [text, standIn] of Object.entries(place.replaced ?? {})) {
    expect(command, "what is replaced is there").toContain(text);
    command = command.replaceAll(text, standIn);
  }
  const folder = place.folder ?? temporaryFolder();
  for (const [name, text] of Object.entries(place.files ?? {})) {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  }
  // In a group of its own, so that one signal ends npm and all that it started.
  const child = spawn("bash", ["-c", command], {
    cwd: /\bnpm\b/.test(line) ? ROOT : folder,
    env: {
      PATH: [folderWithCulvert(), process.env.PATH].join(delimiter),
      HOME: temporaryFolder(),
      ...place.environment,
    },
    detached: true,
  });
  const watch = new Watch();
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      watch.changed();
    });
  }
  let code: number | null | undefined;
  const ended = once(child, "close").then(([exitCode]) => {
    code = exitCode;
    watch.changed();
    return code;
  });
  onTestFinished(async () => {
    endGroup(child);
    await ended;
  });
  return {
    /** Until its output matches: the first group. Rejects where it ends without. */
    printed: (pattern: RegExp) =>
      watch.until(() => {
        const match = pattern.exec(output);
        if (match === null && code !== undefined) throw new Error(`it ended with ${code}: ${output}`);
        return match?.[1] ?? match?.[0];
      }),
    async succeeded(): Promise<string> {
      if ((await ended) !== 0) throw new Error(`it ended with ${code}: ${output}`);
      return output;
    },
  };
}

function endGroup({ pid, exitCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null) return;
  try {
    process.kill(-pid, "SIGTERM");
  } catch {
    // It ended by itself meanwhile.
  }
}

/** The program as an installed one is called. */
function folderWithCulvert(): string {
  const folder = join(temporaryFolder(), "bin");
  mkdirSync(folder);
  const file = join(folder, "culvert");
  writeFileSync(
    file,
    `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, "deploy/package/culvert.cjs")}" "$@"\n`,
  );
  chmodSync(file, 0o755);
  return folder;
}
