/**
 * Settings from the command line, the environment and a configuration file, where the first of these that has one wins. A table
 * of settings says what a command understands.
 * Anything that nobody would read is refused by name with the nearest known one, because a misspelt limit or token that is
 * quietly ignored is a hole. No message quotes a value: it may be a secret, or stand in the place of one.
 */
import type { z } from "zod";
import { editDistance, suggestion } from "../../../core/text/nearest.ts";
import { StartupError } from "../../startup-error.ts";
import type { FileSection } from "./config-file.ts";
import { type Flags, readFlags } from "./flags.ts";
import { readSecretFile } from "./secret-file.ts";
import { fileOf, type Setting, withFiles } from "./setting.ts";

export type Environment = { readonly [Name in string]?: string };

/** What a command was started with, and the variables that any command reads: those of another are no mistake. */
export type SettingSources = {
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly variables: readonly string[];
  /** What a configuration file says. */
  readonly file?: FileSection | undefined;
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
  const found = new Map<PropertyKey, Found>();
  const texts: Record<string, Found["text"]> = {};
  for (const [key, setting] of Object.entries<Setting>(table)) {
    const one = findText(setting, flags, sources);
    found.set(key, one);
    texts[key] = one.text;
  }
  const result = schema.safeParse(texts);
  if (result.success) return result.data;
  const [{ path: [key = "", index = 0] = [], message } = {}] = result.error.issues;
  const one = found.get(key);
  throw new StartupError(`${one?.itemNames[Number(index)] ?? one?.name} ${message}`);
}

/** What a flag or a variable says of a setting, and under which name; null where neither does. */
export function givenBeforeFile(
  settings: readonly Setting[],
  flag: string,
  { args, environment }: Pick<SettingSources, "args" | "environment">,
): { readonly name: string; readonly text: string } | null {
  const setting = settings.find((each) => each.flag === flag);
  if (setting === undefined) return null;
  const flags = readFlags(settings, args);
  const given = fromFlags(setting, setting, flags) ?? fromEnvironment(setting, setting, environment);
  return given === null ? null : { name: given.name, text: given.items[0]?.text ?? "" };
}

function assertNoStray(settings: readonly Setting[], flags: Flags, sources: SettingSources): void {
  const { environment, variables } = sources;
  for (const name of Object.keys(environment)) {
    if (variables.includes(name)) continue;
    if (name.startsWith("CULVERT_")) {
      throw new StartupError(
        `the environment variable ${name} is set, but nothing reads it${suggestion(name, variables)}`,
      );
    }
    // Names without our prefix belong to others, unless one is all but ours and ours is missing.
    const missing = settings.filter((setting) => !isGiven(setting, flags, sources));
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
function isGiven(setting: Setting, flags: Flags, { environment, file }: SettingSources): boolean {
  return withFiles([setting]).some(
    ({ flag, variable }) =>
      flags.has(flag) || (variable !== undefined && environment[variable] !== undefined) || file?.has(flag),
  );
}

/** Two edits turn one short name into another by accident: PORT and SORT. */
const SHORT_NAME_LENGTH = 10;

/** Where a setting was given, in itself or as a file of it, with what stands there. */
type Given = {
  readonly name: string;
  readonly items: readonly { readonly text: string; readonly name: string }[];
  readonly isFile: boolean;
};

type Found = {
  /** Under which a person gave it or could give it. */
  readonly name: string;
  /** The same of each item of a list. */
  readonly itemNames: readonly string[];
  readonly text: string | readonly string[] | undefined;
};

function findText(setting: Setting, flags: Flags, sources: SettingSources): Found {
  const { flag, variable, repeatable } = setting;
  const list = repeatable === true;
  const [first, ...others] = givenFirst(setting, flags, sources);
  if (first === undefined) {
    const name = variable === undefined ? `--${flag}` : `--${flag} (or ${variable})`;
    return { name, itemNames: [], text: list ? [] : undefined };
  }
  const { name } = first;
  if (list) {
    const items = [first, ...others].flatMap(linesGiven);
    return { name, itemNames: items.map((item) => item.name), text: items.map(({ text }) => text) };
  }
  const [second] = others;
  if (second !== undefined) {
    throw new StartupError(`${name} and ${second.name} are both given: leave one of them out`);
  }
  const [{ text } = { text: "" }] = first.items;
  if (!first.isFile) return { name, itemNames: [], text };
  const secret = readSecretFile(text, name);
  if (secret.includes("\n")) throw new StartupError(`${name} names a file of more than one line`);
  return { name, itemNames: [], text: secret };
}

/** From the first place that has it at all: two at most, since it may be given as a file as well. */
function givenFirst(setting: Setting, flags: Flags, { environment, file }: SettingSources): readonly Given[] {
  const named = [setting, fileOf(setting)].filter((each) => each !== null);
  const places = [
    (each: Setting): Given | null => fromFlags(each, setting, flags),
    (each: Setting): Given | null => fromEnvironment(each, setting, environment),
    (each: Setting): Given | null => {
      const entry = file?.get(each.flag);
      return entry === undefined ? null : { ...entry, isFile: each !== setting };
    },
  ];
  for (const place of places) {
    const given = named.map(place).filter((each) => each !== null);
    if (given.length > 0) return given;
  }
  return [];
}

function fromFlags({ flag }: Setting, setting: Setting, flags: Flags): Given | null {
  const texts = flags.get(flag);
  if (texts === undefined) return null;
  const name = `--${flag}`;
  return { name, items: texts.map((text) => ({ text, name })), isFile: flag !== setting.flag };
}

function fromEnvironment({ variable }: Setting, setting: Setting, environment: Environment): Given | null {
  const text = variable === undefined ? undefined : environment[variable];
  if (variable === undefined || text === undefined) return null;
  if (text.trim() === "") throw new StartupError(`${variable} is empty: give it a value or unset it`);
  const isFile = variable !== setting.variable;
  const texts = setting.repeatable && !isFile ? linesOf(text) : [text];
  return { name: variable, items: texts.map((each) => ({ text: each, name: variable })), isFile };
}

function linesGiven({ items, isFile }: Given): Given["items"] {
  if (!isFile) return items;
  return items.flatMap(({ text, name }) =>
    linesOf(readSecretFile(text, name)).map((line) => ({ text: line, name })),
  );
}

function linesOf(text: string): string[] {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "");
}
