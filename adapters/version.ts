/** The version of this build, from the package it belongs to. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** The sources lie one folder below `package.json`, the built files two. */
const PLACES = ["../package.json", "../../package.json"];

export function readVersion(): string {
  const file = PLACES.map((place) => join(import.meta.dirname, place)).find(existsSync);
  if (file === undefined) return "unknown";
  const content: unknown = JSON.parse(readFileSync(file, "utf8"));
  return z.object({ version: z.string() }).parse(content).version;
}
