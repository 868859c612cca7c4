/**
 * The first half of `npm run build`: makes `dist/program.cjs` of the program and the libraries that it uses, with the
 * licences of those beside it. One file starts in a third of the time of hundreds, takes less memory, and is what a single executable is made of.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DIST = join(ROOT, "dist");

const PROGRAM = "program.cjs";
const LICENCES = "third-party-licences.txt";
const MADE_HERE = [PROGRAM, LICENCES];

/** Where `import.meta.url` leads to once the file is CommonJS, which executables and our launcher can load at once. */
const OWN_URL = "programUrl";

const { metafile, outputFiles } = await build({
  absWorkingDir: ROOT,
  entryPoints: ["adapters/main.ts"],
  outfile: join(DIST, PROGRAM),
  write: false,
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node24",
  alias: { bufferutil: "./deploy/package/masking.ts" },
  define: { "import.meta.url": OWN_URL },
  banner: { js: `const ${OWN_URL} = require("node:url").pathToFileURL(__filename).href;` },
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});
mkdirSync(DIST, { recursive: true });
sweep();
put(PROGRAM, outputFiles[0]?.text ?? "");
put(LICENCES, licencesOf(Object.keys(metafile.inputs)));

/** Another process may be starting the program that is there. */
function put(name: string, text: string): void {
  const file = join(DIST, `${name}.${process.pid}`);
  writeFileSync(file, text);
  renameSync(file, join(DIST, name));
}

/** Takes away what was built from files that are gone: it would be packed as well. */
function sweep(): void {
  for (const path of readdirSync(DIST, { recursive: true, encoding: "utf8" })) {
    const source = join(ROOT, path.replace(/(\.d\.ts|\.js)$/, ".ts"));
    const isOfCore = path.split(sep)[0] === "core" && existsSync(source);
    const isMadeHere = MADE_HERE.some((name) => path.startsWith(name));
    if (!isOfCore && !isMadeHere) rmSync(join(DIST, path), { recursive: true, force: true });
  }
}

/** The licences of the packages that these files belong to, whole: most of them ask for that. */
function licencesOf(files: readonly string[]): string {
  const folders = new Set(
    files
      .map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0])
      .filter((folder) => folder !== undefined),
  );
  return [...folders]
    .sort()
    .map(licenceOf)
    .join(`\n${"-".repeat(80)}\n\n`);
}

function licenceOf(folder: string): string {
  const { name, version, license }: { name: string; version: string; license: string } = JSON.parse(
    readFileSync(join(ROOT, folder, "package.json"), "utf8"),
  );
  const file = readdirSync(join(ROOT, folder)).find((each) => /^licen[cs]e/i.test(each));
  const text = file === undefined ? "" : readFileSync(join(ROOT, folder, file), "utf8");
  return `${name} ${version}, ${license}\n\n${text.trim()}\n`;
}
