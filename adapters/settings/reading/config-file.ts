/**
 * The configuration file: YAML, with the settings by the names that they have on the command line. Every value is taken as the
 * text that stands there, so that a client id of `007` keeps its zeros. What is wrong is told with its line, and no message
 * quotes a value: it may be a secret. That is why the library's own messages are not shown.
 */
import fs from "node:fs";
import path from "node:path";
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument, type YAMLMap } from "yaml";
import { suggestion } from "../../../core/text/nearest.ts";
import { codeOf } from "../../error-cause.ts";
import { StartupError } from "../../startup-error.ts";
import type { Setting } from "./setting.ts";

/** What the file says of a setting. */
export type FileEntry = {
  /** Where it stands, as an error begins: `FILE line 3: port`. */
  readonly name: string;
  readonly items: readonly FileItem[];
};

/** One value of it, with where that stands. */
export type FileItem = { readonly text: string; readonly name: string };

/** By the flag's name. */
export type FileSection = ReadonlyMap<string, FileEntry>;

export type ConfigFile = {
  /** What holds for all. */
  readonly common: FileSection;
  /** By client id, in the file's order. */
  readonly homes: ReadonlyMap<string, FileSection>;
  /** Whether others on this machine can read it. */
  readonly isReadable: boolean;
};

/** Ten thousand times what anybody writes; what is larger is another file. */
const BYTES_MAX = 1024 * 1024;

/** To its group or to all. */
const READABLE_BY_OTHERS = 0o044;

/** Whoever may write the file decides what is open to whom. */
const WRITABLE_BY_ALL = 0o002;

export type ConfigFileOptions = {
  readonly file: string;
  /** The flag or variable that names it: the path may be a secret in the wrong place, unless there is such a file. */
  readonly name: string;
  /** What it may have. */
  readonly settings: readonly Setting[];
  /** Whether it may have homes, too. */
  readonly homes: boolean;
};

/** Throws `StartupError` for a file that cannot be read, and for whatever in it has no meaning. */
export function readConfigFile({ file, name, settings, homes }: ConfigFileOptions): ConfigFile {
  const { text, isReadable } = readText(file, name);
  const lines = new LineCounter();
  // Failsafe: all is text, and `on` or `007` is what somebody wrote.
  const document = parseDocument(text, {
    schema: "failsafe",
    lineCounter: lines,
    prettyErrors: false,
    // Any more silent, and a second document would be no error.
    logLevel: "error",
  });
  const at = (offset: number | undefined) => `${file} line ${lines.linePos(offset ?? 0).line}:`;
  const [error] = document.errors;
  if (error !== undefined) {
    throw new StartupError(`${at(error.pos[0])} ${PROBLEMS[error.code] ?? "this is no YAML"}`);
  }
  const reader = new SectionReader(settings, path.dirname(path.resolve(file)), at, (node) =>
    isAlias(node) ? node.resolve(document) : node,
  );
  const { contents } = document;
  if (contents === null) return { common: new Map(), homes: new Map(), isReadable };
  if (!isMap(contents)) throw new StartupError(`${at(contents.range?.[0])} must be NAME: VALUE`);
  const pair = homes ? contents.items.find(({ key }) => isScalar(key) && key.value === HOMES) : undefined;
  const common = reader.section(
    contents.items.filter((each) => each !== pair),
    homes ? [HOMES] : [],
    pair === undefined ? [] : OF_ONE_HOME,
  );
  return { common, homes: pair === undefined ? new Map() : reader.homes(pair), isReadable };
}

const HOMES = "homes";

/** What the process has once. */
export const OF_ALL_HOMES: readonly string[] = ["log-level", "log-format"];

/** What two homes cannot share. */
export const OF_ONE_HOME: readonly string[] = [
  "client-id",
  "hostname",
  "client-token",
  "client-token-file",
  "invite",
  "invite-file",
  "state",
];

const PROBLEMS: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: "this name is there twice",
  TAB_AS_INDENT: "YAML is indented with spaces, not with tabs",
  BAD_INDENT: "the indentation fits nothing above",
  MISSING_CHAR: "something is not closed, such as a quotation mark or a bracket",
  MULTIPLE_DOCS: "the file may have one document only",
  BLOCK_AS_IMPLICIT_KEY: "put a text with a colon in quotation marks",
};

/** A node of the tree, whose values the schema makes texts. */
type Node = unknown;

class SectionReader {
  readonly #settings: ReadonlyMap<string, Setting>;
  readonly #folder: string;
  readonly #at: (offset: number | undefined) => string;
  readonly #resolve: (node: Node) => Node;

  constructor(
    settings: readonly Setting[],
    folder: string,
    at: (offset: number | undefined) => string,
    resolve: (node: Node) => Node,
  ) {
    this.#settings = new Map(settings.map((setting) => [setting.flag, setting]));
    this.#folder = folder;
    this.#at = at;
    this.#resolve = resolve;
  }

  homes({ key, value }: Pair): ReadonlyMap<string, FileSection> {
    const homes = this.#resolve(value);
    if (!isMap(homes)) {
      throw new StartupError(
        `${this.#place(key)} ${HOMES} must be CLIENT-ID: and its settings below, indented`,
      );
    }
    return new Map(
      homes.items.map((pair) => {
        const clientId = this.#text(pair.key);
        const section = this.#resolve(pair.value);
        if (clientId === null || !isMap(section)) {
          throw new StartupError(`${this.#place(pair.key)} a home has its settings below, indented`);
        }
        const settings = new Map(this.section(section.items, [], OF_ALL_HOMES));
        const name = `${this.#place(pair.key)} client-id`;
        if (settings.has("client-id")) {
          throw new StartupError(`${name} is said twice: a home has the client id that it stands below`);
        }
        settings.set("client-id", { name, items: [{ name, text: clientId }] });
        return [clientId, settings];
      }),
    );
  }

  /** `others` are names that are good and no settings; `withheld` are settings that have no place here. */
  section(
    pairs: YAMLMap["items"],
    others: readonly string[] = [],
    withheld: readonly string[] = [],
  ): FileSection {
    return new Map(
      pairs.map(({ key, value }) => {
        const flag = this.#text(key);
        const setting = flag === null ? undefined : this.#settings.get(flag);
        if (setting !== undefined && withheld.includes(setting.flag)) {
          throw new StartupError(
            `${this.#place(key)} ${setting.flag} ${withheld === OF_ALL_HOMES ? "is of all homes: put it at the top" : "is of one home: put it below that"}`,
          );
        }
        if (flag === null || setting === undefined) {
          const near = suggestion(flag ?? "", [...this.#settings.keys(), ...others]);
          throw new StartupError(`${this.#place(key)} ${flag ?? "this"} is unknown${near}`);
        }
        const name = `${this.#place(key)} ${flag}`;
        return [flag, { name, items: this.#items(setting, this.#resolve(value), name) }];
      }),
    );
  }

  #items(setting: Setting, node: Node, name: string): FileItem[] {
    if (isMap(node) && setting.joint !== undefined) {
      return node.items.map(({ key, value }) => {
        const item = this.#item(setting, value, name);
        return { ...item, text: `${this.#text(key) ?? ""}${setting.joint}${item.text}` };
      });
    }
    if (isSeq(node) && setting.repeatable) return node.items.map((each) => this.#item(setting, each, name));
    return [this.#item(setting, node, name)];
  }

  #item(setting: Setting, node: Node, name: string): FileItem {
    const text = this.#text(node);
    if (text === null) {
      const taken = setting.joint !== undefined ? "texts, or names with a text each" : "a list of texts";
      throw new StartupError(`${name} takes ${setting.repeatable ? taken : "one value"}`);
    }
    const place = `${this.#place(node)} ${setting.flag}`;
    if (text.trim() === "") throw new StartupError(`${place} is empty: give it a value or leave it out`);
    return {
      name: place,
      text: setting.placed?.(spelled(setting, text), this.#folder) ?? spelled(setting, text),
    };
  }

  #text(node: Node): string | null {
    const scalar = this.#resolve(node);
    return isScalar(scalar) && typeof scalar.value === "string" ? scalar.value : null;
  }

  #place(node: Node): string {
    return this.#at(
      isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range?.[0] : undefined,
    );
  }
}

/** YAML has words of its own for on and off. */
function spelled({ choices }: Setting, text: string): string {
  if (!choices?.includes("on")) return text;
  return text === "true" ? "on" : text === "false" ? "off" : text;
}

function readText(file: string, name: string): { readonly text: string; readonly isReadable: boolean } {
  let bytes: Buffer;
  let mode: number;
  try {
    const stat = fs.statSync(file);
    mode = stat.mode;
    if (process.platform !== "win32" && stat.isFile() && (stat.mode & WRITABLE_BY_ALL) !== 0) {
      throw new StartupError(`${name} names a file that everybody can change: run chmod o-w on it`);
    }
    if (stat.size > BYTES_MAX)
      throw new StartupError(`${name} names a file that is too large for a configuration`);
    bytes = fs.readFileSync(file);
  } catch (error) {
    if (error instanceof StartupError) throw error;
    throw new StartupError(`${name} names a file that cannot be read: ${codeOf(error)}`);
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { text, isReadable: process.platform !== "win32" && (mode & READABLE_BY_OTHERS) !== 0 };
  } catch {
    throw new StartupError(`${name} names a file that is not UTF-8 text`);
  }
}
