/** Limits that a person changes, each by its name. */
import { z } from "zod";
import { InvariantError } from "../../core/assert.ts";
import { suggestion } from "../../core/text/nearest.ts";
import type { Setting } from "./reading/setting.ts";
import { refuse } from "./schemas.ts";

/** Texts `NAME=VALUE` over the defaults; the relations between limits are those that the core asserts. */
export function limitsSchema<Limits extends Readonly<Record<string, number>>>(
  defaults: Limits,
  assertLimits: (limits: Limits) => void,
) {
  return z.array(z.string()).transform((texts, context): Limits => {
    let limits = defaults;
    for (const [index, text] of texts.entries()) {
      const [, name = "", digits = ""] = /^(\w+)=(\d{1,15})$/.exec(text) ?? [];
      if (name === "") {
        return refuse(context, "must be NAME=VALUE, where VALUE is a whole number", index);
      }
      if (!Object.hasOwn(defaults, name)) {
        const hint = suggestion(name, Object.keys(defaults)) || "; --help-limits names them all";
        return refuse(context, `names no limit: ${name}${hint}`, index);
      }
      limits = { ...limits, [name]: Number(digits) };
    }
    try {
      assertLimits(limits);
      return limits;
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
      return refuse(context, `cannot be used: ${error.message}`);
    }
  });
}

export const limitSetting: Setting = {
  flag: "limit",
  variable: "CULVERT_LIMIT",
  placeholder: "NAME=VALUE",
  help: "changes one limit; repeatable",
  repeatable: true,
  joint: "=",
};
