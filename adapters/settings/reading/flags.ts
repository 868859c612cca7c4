/** The command line, taken apart into flags and their values. */
import { parseArgs } from "node:util";
import { suggestion } from "../../../core/text/nearest.ts";
import { StartupError } from "../../startup-error.ts";
import { type Setting, withFiles } from "./setting.ts";

/** The values of each flag that was given, by its name. */
export type Flags = ReadonlyMap<string, readonly string[]>;

/** Throws `StartupError` for what no flag of these is. */
export function readFlags(settings: readonly Setting[], args: readonly string[]): Flags {
  const flags = new Map<string, string[]>();
  // Not strict: the strict parser quotes values in its messages, and knows no nearest name.
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(settings.map(({ flag }) => [flag, { type: "string" as const }])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") {
      throw new StartupError(`argument ${token.index + 1} belongs to no flag; see --help`);
    }
    const setting = settings.find(({ flag }) => token.rawName === `--${flag}`);
    if (setting === undefined) {
      const flagNames = settings.map(({ flag }) => flag);
      throw new StartupError(`${token.rawName} is unknown${suggestion(token.name, flagNames, "--")}`);
    }
    // `--port --bind X`: the value was forgotten, and the next flag is not it.
    if (token.value === undefined || (!token.inlineValue && token.value.startsWith("--"))) {
      throw new StartupError(`${token.rawName} needs a value: ${token.rawName} ${setting.placeholder}`);
    }
    if (token.value === "") throw new StartupError(`${token.rawName} is empty`);
    const given = flags.get(setting.flag) ?? [];
    if (given.length > 0 && setting.repeatable !== true) {
      throw new StartupError(`${token.rawName} is given twice`);
    }
    given.push(token.value);
    flags.set(setting.flag, given);
  }
  return flags;
}

/** The flags among `args` that show a secret to whoever can list the processes of this machine. */
export function exposedFlags(settings: readonly Setting[], args: readonly string[]): Setting[] {
  const flags = readFlags(withFiles(settings), args);
  return settings.filter(({ flag, isSecret }) => isSecret !== undefined && flags.get(flag)?.some(isSecret));
}
