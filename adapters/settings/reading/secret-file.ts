/**
 * Secrets in files: Docker mounts them below `/run/secrets`, systemd below `$CREDENTIALS_DIRECTORY`, and both point to them by
 * a variable or a flag. No message quotes the path: it may be the secret itself, put in the wrong place.
 */
import fs from "node:fs";
import { codeOf } from "../../error-cause.ts";
import { StartupError } from "../../startup-error.ts";

/** Far more than any secret; what is larger is another file. */
const BYTES_MAX = 64 * 1024;

/** Whoever may write the file chooses the secret. Docker and systemd let others read it, where nobody else can get to it. */
const WRITABLE_BY_OTHERS = 0o022;

/**
 * What the file holds, without the line's end behind it. `name` is the flag or variable that has its path. Throws
 * `StartupError` for a file that cannot be read, and for one that holds nothing, too much or no text.
 */
export function readSecretFile(path: string, name: string): string {
  const bytes = readAtMost(path, name);
  if (bytes.length > BYTES_MAX) {
    throw new StartupError(
      `${name} names a file that is too large for a secret: it may have ${BYTES_MAX} bytes`,
    );
  }
  const text = decode(bytes, name).replace(/\r?\n$/, "");
  if (text.trim() === "")
    throw new StartupError(`${name} names a file that is empty: put the secret into it`);
  return text;
}

function readAtMost(path: string, name: string): Buffer {
  let descriptor: number | undefined;
  try {
    descriptor = fs.openSync(path, "r");
    const stat = fs.fstatSync(descriptor);
    // Windows has no such bits.
    const isOpen = process.platform !== "win32" && (stat.mode & WRITABLE_BY_OTHERS) !== 0;
    if (stat.isFile() && isOpen) {
      throw new StartupError(`${name} names a file that others can change: run chmod go-w on it`);
    }
    const bytes = Buffer.alloc(BYTES_MAX + 1);
    let length = 0;
    // A pipe gives what it has in pieces.
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = fs.readSync(descriptor, bytes, length, bytes.length - length, null);
    }
    return bytes.subarray(0, length);
  } catch (error) {
    if (error instanceof StartupError) throw error;
    throw new StartupError(
      `${name} ${PROBLEMS[codeOf(error)] ?? `names a file that cannot be read: ${codeOf(error)}`}`,
    );
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: "names a file that is not there",
  ENOTDIR: "names a file that is not there",
  EACCES: "names a file that this user may not read",
  EISDIR: "names a folder, not a file",
};

function decode(bytes: Buffer, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new StartupError(`${name} names a file that is not UTF-8 text`);
  }
}
