/** Source files as text: which there are, what they import, and what is left of them without text and comments. */
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Every TypeScript file below the folder. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
}

/** What the source imports, types included. */
export function specifiersOf(source: string): string[] {
  const code = withoutComments(source);
  return [...code.matchAll(/\b(?:from|import)\s*\(?\s*(["'`])(.*?)\1/g)].map((match) => match[2] ?? "");
}

/** One token where text and comments are told apart; a regular expression is taken as one where a value may begin. */
const TOKEN =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|(?<=(?:[(,=:[!&|?{};]|\breturn)\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/[a-z]*/g;

function withoutComments(source: string): string {
  return source.replace(TOKEN, (token) => (/^\/[/*]/.test(token) ? " " : token));
}

/** Of a template only its expressions are left. */
export function withoutTextAndComments(source: string): string {
  return source.replace(TOKEN, (token) => {
    if (!token.startsWith("`")) return '""';
    return [...token.matchAll(/\$\{([^}]*)\}/g)]
      .map((match) => `(${withoutTextAndComments(match[1] ?? "")})`)
      .join("+");
  });
}
