/**
 * What the package says that it needs. The repository's `package.json` lists the libraries that the program uses; a package has
 * them in its bundle, and would install them once more. `lean` is run before npm packs, `whole` after.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

const FILE = "package.json";
const WHOLE = "package.json.whole";

/** A pack that was broken off left it. */
if (existsSync(WHOLE)) renameSync(WHOLE, FILE);

if (process.argv[2] === "lean") {
  const text = readFileSync(FILE, "utf8");
  const { dependencies, devDependencies, scripts, allowScripts, ...lean } = JSON.parse(text);
  writeFileSync(WHOLE, text);
  writeFileSync(FILE, `${JSON.stringify(lean, null, 2)}\n`);
}
