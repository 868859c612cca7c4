/** The string members of a union in a source file of the core, so that a table of them cannot miss one that is added. */
import { readFileSync } from "node:fs";

const core = new URL("../../core/", import.meta.url);

/** Every `type: "..."` of the unions with those names; a union that names another one has its members too. */
export function eventTypes(names: readonly string[]): string[] {
  const source = readFileSync(new URL("events.ts", core), "utf8");
  return names.flatMap((name) =>
    [...declaration(source, name).matchAll(/type: "(\w+)"/g)].map((match) => match[1] ?? ""),
  );
}

/** The members of a union of string literals. */
export function literals(file: string, name: string): string[] {
  const source = readFileSync(new URL(file, core), "utf8");
  return [...declaration(source, name).matchAll(/"(\w+)"/g)].map((match) => match[1] ?? "");
}

/** The text from the name of an exported type to the next declaration. */
function declaration(source: string, name: string): string {
  const start = source.indexOf(`export type ${name} =`);
  if (start < 0) throw new Error(`there is no type ${name}`);
  const end = source.indexOf("\nexport ", start + 1);
  return source.slice(start, end < 0 ? undefined : end);
}
