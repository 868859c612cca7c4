/** Responses as homes' services write them (RFC 9112), from the specification alone. */
import { newBytes } from "../tools/bytes.ts";
import { latin1Bytes } from "../tools/text.ts";

export type HeadForm = {
  readonly version: "HTTP/1.0" | "HTTP/1.1";
  readonly reason: boolean;
  /** Names in any spelling, spaces around values, a value that goes on in a second line. */
  readonly odd: boolean;
  /** Not CR LF, which HTTP does not know. */
  readonly loneLf: boolean;
};

export function responseHead(status: number, fields: readonly string[], form: HeadForm): Uint8Array {
  const line = `${form.version} ${status}${form.reason ? " Any Reason" : ""}`;
  const text = `${line}\r\n${fieldLines(fields, form.odd)}\r\n`;
  return latin1Bytes(form.loneLf ? text.replaceAll("\r\n", "\n") : text);
}

/** One chunk (section 7.1), of at least a byte. */
export function chunkOf(bytes: Uint8Array, odd: boolean): Uint8Array {
  const size = bytes.length.toString(16);
  const line = odd ? `000${size.toUpperCase()} ;a;b="${size};\\"";c=d\r\n` : `${size}\r\n`;
  return framed(line, bytes, "\r\n");
}

export function lastChunk(trailers: readonly string[], odd: boolean): Uint8Array {
  return latin1Bytes(`${odd ? "000;end" : "0"}\r\n${fieldLines(trailers, false)}\r\n`);
}

function framed(before: string, bytes: Uint8Array, after: string): Uint8Array {
  const whole = newBytes(before.length + bytes.length + after.length);
  writeText(whole, 0, before);
  whole.set(bytes, before.length);
  writeText(whole, before.length + bytes.length, after);
  return whole;
}

function writeText(bytes: Uint8Array, from: number, text: string): void {
  for (let index = 0; index < text.length; index++) bytes[from + index] = text.charCodeAt(index);
}

function fieldLines(fields: readonly string[], odd: boolean): string {
  let lines = "";
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const name = fields[index] ?? "";
    const value = fields[index + 1] ?? "";
    lines += odd ? `${spelled(name)}:\t ${value} \t\r\n` : `${name}: ${value}\r\n`;
  }
  return odd ? `${lines}x-folded: one\r\n\t two\r\n` : lines;
}

/** In capitals and not, by turns. */
function spelled(name: string): string {
  return name.replace(/../g, (two) => two.charAt(0).toUpperCase() + two.charAt(1).toLowerCase());
}
