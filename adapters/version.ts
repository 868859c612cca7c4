/** The version of this build, from the package it belongs to. */
import manifest from "../package.json" with { type: "json" };

export const VERSION = manifest.version;
