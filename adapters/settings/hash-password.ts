/** The one setting of `culvert hash-password`. The password itself is none: a setting can be seen by others. */
import { z } from "zod";
import { readSettings } from "./reading/reader.ts";
import type { Setting } from "./reading/setting.ts";

const schema = z.object({
  user: z
    .string()
    .regex(/^[\x20-\x39\x3b-\x7e]{1,100}$/, "must be at most 100 characters of ASCII without a colon")
    .nullable()
    .default(null),
});

export const hashPasswordSettings: { readonly [Name in keyof typeof schema.shape]: Setting } = {
  user: {
    flag: "user",
    placeholder: "NAME",
    help: "prints all that --access takes, for this user (default: the hash alone)",
  },
};

/** Throws `StartupError`. */
export function readHashPasswordConfig(args: readonly string[]): { readonly user: string | null } {
  return readSettings(schema, hashPasswordSettings, { args, environment: {}, variables: [] });
}
