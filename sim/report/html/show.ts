/** Values as text for the picture: short enough to read, and without anything that somebody could use. */
import { redact } from "../trace.ts";

/** Name and value, in the order of the object. */
export type Field = readonly [name: string, value: string];

const TEXT_LENGTH_MAX = 600;
const BYTES_SHOWN = 24;
const LABEL_LENGTH_MAX = 90;
/** Tokens are made of these: whoever knows them knows the tokens. */
const SECRET_NAMES: ReadonlySet<string> = new Set(["nonce", "entropy"]);

/** Every member but `type`, which is the title. */
export function fieldsOf(value: object): Field[] {
  const fields: Field[] = [];
  for (const [name, member] of Object.entries(value)) {
    if (name === "type" || typeof member === "function") continue;
    fields.push([name, SECRET_NAMES.has(name) ? "not shown" : show(member)]);
  }
  return fields;
}

/** One line for a label. */
export function labelled(text: string): string {
  return cut(redact(text), LABEL_LENGTH_MAX);
}

export function bytesLabel(bytes: number): string {
  return bytes < 10_000 ? `${bytes} B` : `${Math.round(bytes / 1024)} KiB`;
}

function show(value: unknown): string {
  if (value instanceof Uint8Array) return showBytes(value);
  if (typeof value === "string") return cut(redact(value), TEXT_LENGTH_MAX);
  if (Array.isArray(value)) return cut(showList(value), TEXT_LENGTH_MAX);
  if (typeof value === "object" && value !== null) {
    const members = fieldsOf(value).map(([name, member]) => `${name} ${member}`);
    return "type" in value ? [String(value.type), ...members].join(", ") : members.join(", ");
  }
  return String(value);
}

/** A list of headers is read in pairs. */
function showList(list: readonly unknown[]): string {
  const isHeaders =
    list.length > 0 && list.length % 2 === 0 && list.every((item) => typeof item === "string");
  if (!isHeaders) return `[${list.map(show).join(", ")}]`;
  const lines: string[] = [];
  for (let index = 0; index < list.length; index += 2) lines.push(`${list[index]}: ${list[index + 1]}`);
  return redact(lines.join("\n"));
}

function showBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    if (byte < 0x20 || byte > 0x7e) return `${bytes.length} bytes, ${hex(bytes)}`;
    text += String.fromCharCode(byte);
  }
  // Redacted before it is cut: a part of a token has no longer the shape of one.
  return cut(text === "" ? "no bytes" : redact(text), TEXT_LENGTH_MAX);
}

function hex(bytes: Uint8Array): string {
  let digits = "";
  for (const byte of bytes.subarray(0, BYTES_SHOWN)) digits += byte.toString(16).padStart(2, "0");
  return digits + (bytes.length > BYTES_SHOWN ? ".." : "");
}

function cut(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax)}..`;
}
