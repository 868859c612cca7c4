/** The package: what is in it, how it installs, and that what was installed works on each Node that it says. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ANCIENT, nodeOf, OLDER_LTS, PINNED } from "../../deploy/nodes.ts";
import manifest from "../../package.json" with { type: "json" };
import { startProgram, untilTrue } from "../helpers/program.ts";
import { ACCESS_TOKEN } from "../helpers/tunnel.ts";
import { PATH, ROOT, sh } from "./shell.ts";
import { fetchThrough } from "./tunnel.ts";

const INSTALLED_BYTES_MAX = 15_000_000;

const folder = mkdtempSync(join(tmpdir(), "culvert-package-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const before = readFileSync(join(ROOT, "package.json"), "utf8");
// An old build must leave nothing behind.
sh(
  "mkdir -p dist/adapters dist/core/gone && touch dist/adapters/main.js dist/core/gone/gone.js dist/core/gone.d.ts",
);
const tarball = join(folder, sh(`npm pack --silent --pack-destination ${folder}`).trim());
const prefix = join(folder, "prefix");
sh(`npm install --global --prefix ${prefix} ${tarball}`);
const culvert = join(prefix, "bin/culvert");
const installed = join(prefix, "lib/node_modules", manifest.name);

function bytesIn(path: string): number {
  const entry = lstatSync(path);
  if (!entry.isDirectory()) return entry.size;
  return readdirSync(path).reduce((sum, name) => sum + bytesIn(join(path, name)), 0);
}

describe("the package", () => {
  test("has the program, the core with its types, licences, and nothing that an old build left", () => {
    const files = sh(`tar -tzf ${tarball}`).trim().split("\n").sort();
    const core = sh("git ls-files 'core/**.ts' 'core/*.ts'").trim().split("\n");
    const built = core.flatMap((file) => [file.replace(/ts$/, "d.ts"), file.replace(/ts$/, "js")]);
    const others = ["dist/program.cjs", "dist/third-party-licences.txt", "deploy/package/culvert.cjs"];
    expect(files).toEqual(
      ["LICENSE", "README.md", "package.json", ...others, ...built.map((file) => `dist/${file}`)]
        .map((file) => `package/${file}`)
        .sort(),
    );
  });

  test("leaves package.json as it was", () => {
    expect(readFileSync(join(ROOT, "package.json"), "utf8")).toBe(before);
  });

  test("has the licence of each library whose code is in it", () => {
    const licences = readFileSync(join(installed, "dist/third-party-licences.txt"), "utf8");
    for (const name of Object.keys(manifest.dependencies)) {
      expect(licences).toMatch(new RegExp(`^${name} \\d.*\n\n\\S`, "m"));
    }
  });

  test("takes at most 15 MB, once it is installed", () => {
    const bytes = bytesIn(prefix);
    console.log(`installed: ${(bytes / 1e6).toFixed(1)} MB in ${prefix}`);
    expect(bytes).toBeGreaterThan(1_000_000);
    expect(bytes).toBeLessThan(INSTALLED_BYTES_MAX);
  });

  test("gives its core to other programs, with types", async () => {
    const consumer = join(folder, "consumer");
    sh(
      `mkdir ${consumer} && cd ${consumer} && npm init --yes && npm pkg set type=module && npm install ${tarball}`,
    );
    writeFileSync(
      join(consumer, "index.ts"),
      `import { FAILURES } from "${manifest.name}/core/failure";
import { serverDeadlineMs } from "${manifest.name}/core/server";
// @ts-expect-error: a word is no state.
export const wrong = () => serverDeadlineMs("word");
const status: number = FAILURES.silent.status;
console.log(status);
`,
    );
    sh(
      `${ROOT}/node_modules/.bin/tsc --noEmit --strict --module nodenext --target es2024 --lib es2024,dom index.ts`,
      { cwd: consumer },
    );
    expect(sh("node index.ts", { cwd: consumer })).toBe("504\n");
  });
});

describe("what was installed", () => {
  test.each([OLDER_LTS, PINNED["linux-x64"]])(
    "brings a file through a tunnel on Node $version",
    async (build) => {
      const node = nodeOf(build);
      expect(sh("node --version", { env: { PATH: `${dirname(node)}:/usr/bin:/bin` } })).toBe(
        `v${build.version}\n`,
      );
      const programs = await fetchThrough({
        command: [culvert],
        environment: { PATH: `${dirname(node)}:/usr/bin:/bin` },
      });
      for (const program of programs) expect(program.output()).not.toContain("bufferutil");
    },
  );

  test("says in one sentence that a Node is too old", () => {
    const { status, stdout, stderr } = spawnSync(nodeOf(ANCIENT), [culvert, "serve"], { encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(/^culvert: this is Node 4\.9\.1, and it needs 24\.9 or later: .*\n$/);
  });

  test("masks in JavaScript where bufferutil is not there, and says so", async () => {
    const bare = join(folder, "bare");
    sh(`cp --archive ${prefix} ${bare}`);
    rmSync(join(bare, "lib/node_modules", manifest.name, "node_modules/bufferutil"), { recursive: true });
    for (const program of await fetchThrough({ command: [join(bare, "bin/culvert")] })) {
      expect(program.output()).toContain("bufferutil is not there");
    }
  });

  test("installs on arm64 without a compiler", async () => {
    const arm = join(folder, "arm64");
    // The addon has no build for it: as on such a machine, its script finds none and may not make one.
    const env = {
      npm_config_cpu: "arm64",
      npm_config_os: "linux",
      npm_config_arch: "arm64",
      PYTHON: "/bin/false",
      CC: "/bin/false",
      CXX: "/bin/false",
    };
    sh(`npm install --global --allow-scripts=bufferutil --prefix ${arm} ${tarball}`, { env });
    for (const program of await fetchThrough({ command: [join(arm, "bin/culvert")] })) {
      expect(program.output()).toContain("bufferutil is not there");
    }
  });
});

describe("the repository", () => {
  test("installs without the tools of development, and runs its sources", async () => {
    const clone = join(folder, "clone");
    sh(
      `mkdir ${clone} && git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --create | tar --extract --directory ${clone}`,
    );
    sh("npm ci --omit=dev", { cwd: clone });
    expect(existsSync(join(clone, "node_modules/typescript"))).toBe(false);
    expect(existsSync(join(clone, "node_modules/node"))).toBe(false);
    const server = startProgram(
      ["--port=0", "--bind=127.0.0.1", "--admin-port=0", "--database=sqlite::memory:"],
      {
        command: ["npm", "--prefix", clone, "start", "--"],
        environment: { PATH, TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN },
      },
    );
    await untilTrue(() => /^listening on http/m.test(server.output()), server);
  });
});
