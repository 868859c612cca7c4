/**
 * Where applications come from: the package registries, by their ordinary clients, into a folder outside of the repository.
 * What was installed once stays there; a new list of packages is a new folder.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** `CULVERT_APPS_CACHE`, or a folder in the user's own cache. */
const CACHE = process.env.CULVERT_APPS_CACHE ?? join(homedir(), ".cache/culvert-apps");

/** Requirements as pip has them. The folder of their programs. */
export async function fromPyPI(...requirements: readonly string[]): Promise<string> {
  const folder = await once("python", requirements, async (folder) => {
    // Debian has what this needs in a package of its own.
    const make = () => execute("python3", ["-m", "venv", folder]);
    await make().catch(async () => {
      await installed(["python3-venv"]);
      await make();
    });
    const pip = join(folder, "bin/pip");
    await execute(pip, ["install", "--quiet", "--disable-pip-version-check", ...requirements], OUTPUT);
  });
  return join(folder, "bin");
}

/** Packages as npm has them. The folder that `require` finds them in. */
export async function fromNpm(...packages: readonly string[]): Promise<string> {
  const folder = await once("npm", packages, async (folder) => {
    await execute(
      "npm",
      ["install", "--prefix", folder, "--no-audit", "--no-fund", "--no-save", ...packages],
      OUTPUT,
    );
  });
  return join(folder, "node_modules");
}

/** A module of Go's with its version. The folder of its program. */
export async function fromGo(program: string): Promise<string> {
  return await once("go", [program], async (folder) => {
    await execute("go", ["install", program], { ...OUTPUT, env: { ...process.env, GOBIN: folder } });
  });
}

/** Programs of Debian's, installed for the whole machine where they are not there. */
export async function fromDebian(programs: Readonly<Record<string, string>>): Promise<void> {
  const missing = Object.entries(programs).filter(([file]) => !isThere(file));
  if (missing.length === 0) return;
  await installed(missing.map(([, name]) => name));
}

async function installed(packages: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error(`${packages.join(", ")}: not installed, and only root can`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await execute("apt-get", ["-qq", "update"], { ...OUTPUT, env });
  const install = ["-qq", "install", "--no-install-recommends", ...packages];
  await execute("apt-get", install, { ...OUTPUT, env });
}

const OUTPUT = { maxBuffer: 64 * 1024 * 1024 };

/** An absolute path, or a program in `PATH`. */
function isThere(file: string): boolean {
  if (file.startsWith("/")) return existsSync(file);
  return (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, file)));
}

const running = new Map<string, Promise<string>>();

function once(
  kind: string,
  packages: readonly string[],
  install: (folder: string) => Promise<void>,
): Promise<string> {
  const digest = createHash("sha256").update(packages.join(" ")).digest("hex").slice(0, 12);
  const folder = join(CACHE, `${kind}-${digest}`);
  const known = running.get(folder);
  if (known !== undefined) return known;
  const made = (async () => {
    const mark = join(folder, "installed");
    if (existsSync(mark)) return folder;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    await install(folder);
    writeFileSync(mark, `${packages.join("\n")}\n`);
    return folder;
  })();
  running.set(folder, made);
  return made;
}
