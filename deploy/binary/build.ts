/**
 * `npm run build:bin`: one file for each platform, of the bundle and the platform's Node, in `executables/`; with their SHA256SUMS,
 * what they are made of (CycloneDX), and its licences. Arguments choose platforms.
 */
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeOf, PINNED, type Platform } from "../nodes.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDER = join(ROOT, "executables");
const HERE = `${process.platform}-${process.arch}`;

/** The version that is built for, where it runs here: its cache of code is for that version alone. */
const builder = isPlatform(HERE) ? nodeOf(PINNED[HERE]) : process.execPath;

rmSync(FOLDER, { recursive: true, force: true });
mkdirSync(FOLDER);
const scratch = mkdtempSync(join(tmpdir(), "culvert-executables-"));
try {
  const names = chosen().map(build);
  writeFileSync(join(FOLDER, "SHA256SUMS"), names.map((name) => `${sumOf(name)}  ${name}\n`).join(""));
  if (process.platform === "linux" && names.includes(`culvert-${HERE}`)) await measure(`culvert-${HERE}`);
  writeFileSync(join(FOLDER, "culvert.cdx.json"), materials());
  const licences = ["LICENSE", "dist/third-party-licences.txt"].map((file) => join(ROOT, file));
  const ofNode = join(nodeOf(PINNED["linux-x64"]), "../../LICENSE");
  writeFileSync(
    join(FOLDER, "LICENCES.txt"),
    [...licences, ofNode].map((file) => readFileSync(file, "utf8")).join("\n\n"),
  );
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function isPlatform(name: string): name is Platform {
  return name in PINNED;
}

function chosen(): Platform[] {
  const all = Object.keys(PINNED).filter(isPlatform);
  const asked = process.argv.slice(2);
  const unknown = asked.filter((name) => !all.some((each) => each === name));
  if (unknown.length > 0)
    throw new Error(`no executable is made for ${unknown.join(", ")}: only for ${all.join(", ")}`);
  return asked.length === 0 ? all : all.filter((name) => asked.includes(name));
}

/** Returns the name of the file. */
function build(platform: Platform): string {
  const name = `culvert-${platform}`;
  const output = join(FOLDER, name);
  const executable = join(scratch, platform);
  copyFileSync(nodeOf(PINNED[platform]), executable);
  const isStripped = platform.startsWith("linux-") && strip(executable, platform);
  const addon = join(ROOT, "node_modules/bufferutil/prebuilds", platform, "bufferutil.node");
  const isMaskedNatively = existsSync(addon);
  const settings = join(scratch, `${platform}.json`);
  writeFileSync(
    settings,
    JSON.stringify({
      main: join(ROOT, "dist/program.cjs"),
      executable,
      output,
      disableExperimentalSEAWarning: true,
      // Flags come from our own command line alone: NODE_OPTIONS of somebody's shell would be no setting of ours.
      execArgvExtension: "none",
      // V8's own, so only this machine's kind can make it.
      useCodeCache: platform === HERE,
      assets: isMaskedNatively ? { "bufferutil.node": addon } : {},
    }),
  );
  execFileSync(builder, ["--build-sea", settings], { stdio: ["ignore", "ignore", "inherit"] });
  const parts = [
    `${name}: ${(statSync(output).size / 1e6).toFixed(0)} MB`,
    isMaskedNatively ? "native masking" : "masking in JavaScript",
    ...(isStripped ? [] : ["not stripped"]),
    ...(platform.startsWith("darwin-") ? [`not signed: run codesign --sign - ${name} on a Mac`] : []),
  ];
  console.log(parts.join(", "));
  return name;
}

/** Takes the symbols of a debugger away, a quarter of the file. Without a tool that knows the architecture they stay. */
function strip(file: string, platform: Platform): boolean {
  return ["llvm-strip", ...(platform === HERE ? ["strip"] : [])].some((tool) => {
    try {
      execFileSync(tool, [file], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
}

/** How long a server takes until it listens, and what of it is in memory then. */
async function measure(name: string): Promise<void> {
  const flags = ["--port=0", "--bind=127.0.0.1", "--admin-port=0", "--database=sqlite::memory:"];
  const begun = performance.now();
  const server = spawn(join(FOLDER, name), ["serve", ...flags], { stdio: ["ignore", "pipe", "ignore"] });
  // Its first line: an access token for the run.
  await once(server.stdout, "data");
  const ms = Math.round(performance.now() - begun);
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8")) ?? [];
  server.kill();
  await once(server, "close");
  console.log(`${name}: listens after ${ms} ms, with ${Math.round(Number(kib) / 1024)} MiB in memory`);
}

function sumOf(name: string): string {
  return createHash("sha256")
    .update(readFileSync(join(FOLDER, name)))
    .digest("hex");
}

/** By name and version. */
function shippedLibraries(): Set<string> {
  const lock: {
    readonly packages: Readonly<Record<string, { version?: string; dev?: true; devOptional?: true }>>;
  } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"));
  const shipped = new Set<string>();
  for (const [path, { version, dev, devOptional }] of Object.entries(lock.packages)) {
    if (path !== "" && dev !== true && devOptional !== true)
      shipped.add(`${path.replace(/^.*node_modules\//, "")}@${version}`);
  }
  return shipped;
}

/**
 * What npm knows of the libraries, and the Node around them. Of a library that something for development wants as well npm knows
 * nothing where it is asked to leave that out; the lock file does.
 */
function materials(): string {
  const npm = execFileSync("npm", ["sbom", "--sbom-format=cyclonedx"], { cwd: ROOT, encoding: "utf8" });
  const known: { components: { readonly "bom-ref": string }[] } = JSON.parse(npm);
  const run = shippedLibraries();
  known.components = known.components.filter((component) => run.has(component["bom-ref"]));
  const nodes = Object.values(PINNED).map(({ package: name, version }) => ({
    type: "platform",
    "bom-ref": `${name}@${version}`,
    name,
    version,
    purl: `pkg:npm/${name}@${version}`,
    licenses: [{ license: { id: "MIT" } }],
  }));
  return `${JSON.stringify({ ...known, components: [...known.components, ...nodes] }, null, 2)}\n`;
}
