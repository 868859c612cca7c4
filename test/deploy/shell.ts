/** Commands as a person types them, outside of the scripts of this repository. */
import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from "node:child_process";
import { dirname, join } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");

/** With the Node that these tests run on, and what npm gives to the scripts of this repository taken away. */
export const PATH = `${dirname(process.execPath)}:${process.env.PATH}`.replace(
  /[^:]*node_modules\/\.bin:/g,
  "",
);

export function sh(
  command: string,
  { cwd = ROOT, env = {} }: Partial<ExecFileSyncOptionsWithStringEncoding> = {},
) {
  const npm = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
  return execFileSync("bash", ["-euo", "pipefail", "-c", command], {
    cwd,
    env: { ...Object.fromEntries(npm), PATH, ...env },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}
