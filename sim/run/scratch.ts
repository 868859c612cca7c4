/** A scratch copy of the machines and the simulator, with a patch applied to it: a build that is wrong on purpose. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Folders of the simulator that no run needs. */
const LEFT_OUT = ["mutants", "corpus", "report/html"].map((name) => join(ROOT, "sim", name));

/** The patch is for another core than the present one: it has to be written anew. */
export class PatchError extends Error {
  override readonly name = "PatchError";
}

export class Scratch {
  readonly #folder = mkdtempSync(join(tmpdir(), "culvert-mutant-"));

  /** Throws a `PatchError`, and leaves nothing behind, where the patch does not apply. */
  constructor(patch: string) {
    for (const name of ["core", "sim"]) {
      cpSync(join(ROOT, name), join(this.#folder, name), {
        recursive: true,
        filter: (source) => !LEFT_OUT.includes(source),
      });
    }
    writeFileSync(join(this.#folder, "package.json"), '{ "type": "module" }\n');
    symlinkSync(join(ROOT, "node_modules"), join(this.#folder, "node_modules"));
    this.#apply(patch);
  }

  /** The address of one of its files, for `import`. */
  address(path: string): string {
    return pathToFileURL(join(this.#folder, path)).href;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #apply(patch: string): void {
    // Git looks for a repository above the folder and would apply nothing outside of it.
    const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(this.#folder) };
    try {
      execFileSync("git", ["apply", patch], { cwd: this.#folder, env, stdio: ["ignore", "ignore", "pipe"] });
    } catch (error) {
      this.remove();
      throw new PatchError(`${patch} does not apply to the present core`, { cause: error });
    }
  }
}
