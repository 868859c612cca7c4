/**
 * The native code that masks. It is there where the optional package `bufferutil` could be installed; a single executable has
 * it inside, for the platforms that the package has it built for.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { getAssetKeys, getRawAsset, isSea } from "node:sea";

export type BufferUtil = {
  /** Writes `source` masked with the four bytes of `key` into `output`, at `offset`. */
  mask(source: Uint8Array, key: Uint8Array, output: Uint8Array, offset: number, length: number): void;
  /** Masks in place. */
  unmask(bytes: Uint8Array, key: Uint8Array): void;
};

/** The name of the addon inside an executable. */
const ASSET = "bufferutil.node";

/** Null where JavaScript has to do it. */
export const nativeMasking: BufferUtil | null = load();

function load(): BufferUtil | null {
  try {
    return isSea() ? unpacked() : installed();
  } catch {
    return null;
  }
}

/** The package has a JavaScript stand-in of its own, for where it could be neither built nor found built. */
function installed(): BufferUtil | null {
  const require = createRequire(import.meta.url);
  const found: BufferUtil = require("bufferutil");
  const standIn: BufferUtil = require("bufferutil/fallback");
  return found.unmask === standIn.unmask ? null : found;
}

/**
 * An addon is loaded from a file only: it gets one that nobody else can write to, for that moment. Never is it looked for beside
 * the executable, where another user may have put one.
 */
function unpacked(): BufferUtil | null {
  if (!getAssetKeys().includes(ASSET)) return null;
  const folder = mkdtempSync(join(tmpdir(), "culvert-"));
  try {
    const file = join(folder, ASSET);
    writeFileSync(file, new Uint8Array(getRawAsset(ASSET)), { mode: 0o500 });
    const addon: { exports: Partial<BufferUtil> } = { exports: {} };
    process.dlopen(addon, file, constants.dlopen.RTLD_NOW);
    const { mask, unmask } = addon.exports;
    return mask === undefined || unmask === undefined ? null : { mask, unmask };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
