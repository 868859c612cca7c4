/**
 * Settings from the command line and the environment. A table of settings says what a command understands; flags win.
 * Anything that nobody would read is refused by name with the nearest known one, because a misspelt limit or token that is
 * quietly ignored is a hole. No message quotes a value: it may be a secret, or stand in the place of one.
 */
import { parseArgs } from "node:util";
import type { z } from "zod";
import { editDistance, suggestion } from "../../core/text/nearest.ts";
import { StartupError } from "../startup-error.ts";
import { readSecretFile } from "./secret-file.ts";

export type Setting = {
  /** Without the dashes. */
  readonly flag: string;
  /** Environment variable, where there is one. */
  readonly variable?: string;
  /** Stands for the value in the help text. */
  readonly placeholder: string;
  readonly help: string;
  /** Where nothing else is taken. */
  readonly choices?: readonly string[];
  /** May be given several times; its schema takes a list of texts. The variable holds one on each line. */
  readonly repeatable?: boolean;
  /** Tells of a text of it whether that is a secret. Such a setting can be given in a file, too. */
  readonly isSecret?: (text: string) => boolean;
};

export type Environment = { readonly [Name in string]?: string };

/** What a command was started with, and the variables that any command reads: those of another are no mistake. */
export type SettingSources = {
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly variables: readonly string[];
};

/**
 * Reads the settings of `table` and checks them by `schema`, which has the same keys: each takes the text, or undefined
 * where the setting was not given, and its messages complete "NAME ...". Throws `StartupError`.
 */
export function readSettings<Schema extends z.ZodObject>(
  schema: Schema,
  table: { readonly [Name in keyof Schema["shape"] & string]: Setting },
  sources: SettingSources,
): z.infer<Schema> {
  const settings = Object.values<Setting>(table);
  const flags = readFlags(withFiles(settings), sources.args);
  assertNoStray(settings, flags, sources);
  const names = new Map<PropertyKey, string>();
  const texts: Record<string, string | readonly string[] | undefined> = {};
  for (const [key, setting] of Object.entries<Setting>(table)) {
    const { name, text } = textOf(setting, flags, sources.environment);
    names.set(key, name);
    texts[key] = text;
  }
  const result = schema.safeParse(texts);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new StartupError(`${names.get(issue?.path[0] ?? "")} ${issue?.message}`);
}

/** The settings, each that may hold a secret with the one that names a file of it (Docker's and systemd's convention). */
export function withFiles(settings: readonly Setting[]): Setting[] {
  return settings.flatMap((setting) => {
    const file = fileOf(setting);
    return file === null ? [setting] : [setting, file];
  });
}

/** The flags among `args` that show a secret to whoever can list the processes of this machine. */
export function exposedFlags(settings: readonly Setting[], args: readonly string[]): Setting[] {
  const flags = readFlags(withFiles(settings), args);
  return settings.filter(({ flag, isSecret }) => isSecret !== undefined && flags.get(flag)?.some(isSecret));
}

/** The setting that names a file with this one's text; null where this one holds no secret. */
export function fileOf({ flag, variable, isSecret, repeatable }: Setting): Setting | null {
  if (isSecret === undefined) return null;
  return {
    flag: `${flag}-file`,
    ...(variable === undefined ? {} : { variable: `${variable}_FILE` }),
    placeholder: "FILE",
    help: `a file with what --${flag} takes${repeatable ? ", one on each line" : ""}; keeps it out of the process list`,
    ...(repeatable === undefined ? {} : { repeatable }),
  };
}

type Flags = ReadonlyMap<string, readonly string[]>;

function readFlags(settings: readonly Setting[], args: readonly string[]): Flags {
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

function assertNoStray(
  settings: readonly Setting[],
  flags: Flags,
  { environment, variables }: SettingSources,
): void {
  for (const name of Object.keys(environment)) {
    if (variables.includes(name)) continue;
    if (name.startsWith("CULVERT_")) {
      throw new StartupError(
        `the environment variable ${name} is set, but nothing reads it${suggestion(name, variables)}`,
      );
    }
    // Names without our prefix belong to others, unless one is all but ours and ours is missing.
    const missing = settings.filter((setting) => !isGiven(setting, flags, environment));
    const meant = withFiles(missing)
      .map(({ variable = "" }) => variable)
      .find((variable) => variable.length > SHORT_NAME_LENGTH && editDistance(name, variable) <= 2);
    if (meant !== undefined) {
      throw new StartupError(
        `the environment variable ${name} is set, but nothing reads it; did you mean ${meant}?`,
      );
    }
  }
}

/** Whether it was given in any way. */
function isGiven(setting: Setting, flags: Flags, environment: Environment): boolean {
  return withFiles([setting]).some(
    ({ flag, variable }) =>
      flags.has(flag) || (variable !== undefined && environment[variable] !== undefined),
  );
}

/** Two edits turn one short name into another by accident: PORT and SORT. */
const SHORT_NAME_LENGTH = 10;

/** Where a setting was given: its own flag or variable, and that of its file. */
type Given = { readonly name: string; readonly texts: readonly string[]; readonly isFile: boolean };

/** The text of a setting, and the name under which a person gave it or could give it. */
function textOf(
  setting: Setting,
  flags: Flags,
  environment: Environment,
): { name: string; text: string | readonly string[] | undefined } {
  const { flag, variable, repeatable } = setting;
  const list = repeatable === true;
  const named = [setting, fileOf(setting)].filter((each) => each !== null);
  const byFlag = named.flatMap((each): Given[] => {
    const texts = flags.get(each.flag);
    return texts === undefined ? [] : [{ name: `--${each.flag}`, texts, isFile: each !== setting }];
  });
  const given =
    byFlag.length > 0 ? byFlag : named.flatMap((each) => fromEnvironment(each, setting, environment));
  const [first, second] = given;
  if (first === undefined) {
    const name = variable === undefined ? `--${flag}` : `--${flag} (or ${variable})`;
    return { name, text: list ? [] : undefined };
  }
  if (list) return { name: first.name, text: given.flatMap(linesGiven) };
  if (second !== undefined) {
    throw new StartupError(`${first.name} and ${second.name} are both given: leave one of them out`);
  }
  const [text = ""] = first.texts;
  if (!first.isFile) return { name: first.name, text };
  const secret = readSecretFile(text, first.name);
  if (secret.includes("\n")) throw new StartupError(`${first.name} names a file of more than one line`);
  return { name: first.name, text: secret };
}

function fromEnvironment({ variable }: Setting, setting: Setting, environment: Environment): Given[] {
  const text = variable === undefined ? undefined : environment[variable];
  if (variable === undefined || text === undefined) return [];
  if (text.trim() === "") throw new StartupError(`${variable} is empty: give it a value or unset it`);
  const isFile = variable !== setting.variable;
  return [{ name: variable, texts: setting.repeatable && !isFile ? linesOf(text) : [text], isFile }];
}

function linesGiven({ name, texts, isFile }: Given): readonly string[] {
  return isFile ? texts.flatMap((path) => linesOf(readSecretFile(path, name))) : texts;
}

function linesOf(text: string): string[] {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "");
}
