/**
 * What npm runs after an install, before a pack, and for whoever installs from the repository. An install without the tools of
 * development has nothing to build with, and runs the sources.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

if (existsSync("node_modules/esbuild") && existsSync("node_modules/typescript")) {
  const { status } = spawnSync("npm", ["run", "--silent", "build"], {
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  process.exitCode = status ?? 1;
}
