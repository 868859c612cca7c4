/** `culvert install` and `culvert uninstall`: writes systemd's unit and starts it, or takes both back, and says what it does. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname } from "node:path";
import { isSea } from "node:sea";
import { codeOf } from "../error-cause.ts";
import type { InstallConfig, InstallTarget } from "../settings/install.ts";
import { StartupError } from "../startup-error.ts";
import { installSteps, keptFolders, type Step, uninstallSteps } from "./plan.ts";

type Print = (line: string) => void;

const TOKEN_BYTES = 32;

/** Throws `StartupError` where it cannot go on: what was done until then stays, and another attempt does it again. */
export function install(config: InstallConfig, print: Print): void {
  const command = ownCommand();
  if (!config.isOfUser && command.some((path) => HOMES.test(path))) {
    throw new StartupError(
      "a service of the machine cannot read a program that lies in somebody's home: put it into /usr/local, or use --user",
    );
  }
  const newToken = randomBytes(TOKEN_BYTES).toString("hex");
  takeSteps(installSteps(config, { home: homedir(), command, newToken }), config, print);
  if (config.isOfUser && !config.isDry)
    print("to have it run while you are not logged in: loginctl enable-linger");
}

/** Throws `StartupError`. */
export function uninstall(target: InstallTarget, print: Print): void {
  const place = { home: homedir() };
  takeSteps(uninstallSteps(target, place), target, print);
  for (const folder of keptFolders(target, place)) if (existsSync(folder)) print(`${folder} stays`);
}

const HOMES = /^\/(home|root|run\/user)\//;

/** A single executable, or Node and the file that it was called with. */
function ownCommand(): string[] {
  const [, script = ""] = process.argv;
  return isSea() ? [process.execPath] : [process.execPath, realpathSync(script)];
}

function takeSteps(steps: readonly Step[], { isDry }: InstallTarget, print: Print): void {
  for (const step of steps) {
    print(`${isDry ? "would " : ""}${textOf(step)}`);
    if (!isDry) take(step);
    else if (step.type === "write" && !step.isSecret) print(step.text.trimEnd().replace(/^/gm, "    "));
  }
}

function textOf(step: Step): string {
  switch (step.type) {
    case "write":
      return step.isSecret ? `make a secret in ${step.path}, if none is there` : `write ${step.path}`;
    case "remove":
      return `remove ${step.path}`;
    case "run":
      return `run ${step.command.join(" ")}`;
  }
}

function take(step: Step): void {
  switch (step.type) {
    case "write":
      return write(step);
    case "remove":
      return onDisk(() => rmSync(step.path, { force: true }));
    case "run":
      return run(step);
  }
}

function write({ path, text, isSecret }: Extract<Step, { type: "write" }>): void {
  onDisk(() => {
    mkdirSync(dirname(path), { recursive: true });
    try {
      writeFileSync(path, text, isSecret ? { mode: 0o600, flag: "wx" } : { mode: 0o644 });
    } catch (error) {
      if (!isSecret || codeOf(error) !== "EEXIST") throw error;
    }
  });
}

function onDisk(act: () => void): void {
  try {
    act();
  } catch (error) {
    const isRefused = ["EACCES", "EPERM", "EROFS"].includes(codeOf(error));
    throw new StartupError(
      isRefused ? "that takes root: call it with sudo, or use --user" : `that fails: ${codeOf(error)}`,
      { cause: error },
    );
  }
}

function run({ command: [file = "", ...args], mayFail }: Extract<Step, { type: "run" }>): void {
  try {
    execFileSync(file, args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  } catch (error) {
    if (mayFail) return;
    if (codeOf(error) === "ENOENT") {
      throw new StartupError(
        "there is no systemctl here: --dry-run shows the unit, for another service manager",
      );
    }
    const said =
      error instanceof Error && "stderr" in error ? String(error.stderr).trim().split("\n").at(-1) : "";
    throw new StartupError(`${file} ${args.join(" ")} fails: ${said}`);
  }
}
