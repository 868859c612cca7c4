/** Reads a password of a person or a pipe; never of the command line, which others can list. */
import type { ReadStream } from "node:tty";
import { StartupError } from "../startup-error.ts";

/** Longer ones are no passwords. */
const BYTES_MAX = 1024;

export type PasswordSource = Pick<ReadStream, "isTTY" | "setRawMode" | "resume" | "pause"> &
  AsyncIterable<Buffer>;

/** Asks twice at a terminal, where nothing shows; else takes the one line that comes. Throws `StartupError`. */
export async function readPassword(input: PasswordSource, say: (text: string) => void): Promise<string> {
  if (!input.isTTY) return usable(await wholeOf(input));
  input.setRawMode(true);
  try {
    const keys = keysOf(input);
    const first = usable(await lineOf(keys, "Password: ", say));
    const second = await lineOf(keys, "Once more: ", say);
    if (first !== second) throw new StartupError("the two passwords differ: try again");
    return first;
  } finally {
    input.setRawMode(false);
    input.pause();
  }
}

async function wholeOf(input: PasswordSource): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of input) {
    pieces.push(piece);
    length += piece.length;
    if (length > BYTES_MAX) break;
  }
  return decode(Buffer.concat(pieces)).replace(/\r?\n$/, "");
}

/** One byte after the other, across the two lines. */
async function* keysOf(input: PasswordSource): AsyncGenerator<number> {
  for await (const piece of input) yield* piece;
}

async function lineOf(
  keys: AsyncGenerator<number>,
  prompt: string,
  say: (text: string) => void,
): Promise<string> {
  say(prompt);
  let typed: number[] = [];
  for (;;) {
    const { value: key, done } = await keys.next();
    if (done === true || key === CTRL_C || (key === CTRL_D && typed.length === 0)) {
      say("\n");
      throw new StartupError("no password was given");
    }
    if (key === CR || key === LF) break;
    if (key === CTRL_U) typed = [];
    else if (key === BACKSPACE || key === CTRL_H) typed = withoutLast(typed);
    else if (typed.length <= BYTES_MAX) typed.push(key);
  }
  say("\n");
  return decode(Buffer.from(typed));
}

/** Without the last character, which in UTF-8 may be several bytes. */
function withoutLast(typed: readonly number[]): number[] {
  let end = typed.length - 1;
  while (end > 0 && ((typed[end] ?? 0) & 0xc0) === 0x80) end--;
  return typed.slice(0, Math.max(0, end));
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new StartupError("the password is not UTF-8 text");
  }
}

/** A password as `Authorization: Basic` can carry it (RFC 7617 section 2). */
function usable(password: string): string {
  if (password === "") throw new StartupError("the password is empty");
  if (Buffer.byteLength(password) > BYTES_MAX) {
    throw new StartupError(`the password is longer than ${BYTES_MAX} bytes`);
  }
  if (/\p{Cc}/u.test(password)) {
    throw new StartupError("the password must be one line without control characters");
  }
  return password;
}

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_H = 0x08;
const LF = 0x0a;
const CR = 0x0d;
const CTRL_U = 0x15;
const BACKSPACE = 0x7f;
