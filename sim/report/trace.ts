/**
 * The readable record of a run: one line per event, effect, frame, fault and result. Kept only when asked for. Whatever
 * has the shape of a token is redacted here, so that no trace ever shows one.
 */
import type { Recorder } from "../record/recorder.ts";
import { fakeSha256 } from "../tools/hash.ts";

const TOKEN = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const TEXT_LENGTH_MAX = 160;
const BYTES_SHOWN = 16;

export class TraceRecorder implements Recorder {
  readonly #sink: (line: string) => void;

  constructor(sink: (line: string) => void) {
    this.#sink = sink;
  }

  line(nowUs: number, who: string, text: string): void {
    this.#sink(`${formatTime(nowUs)} ${who.padEnd(10)} ${redact(text)}`);
  }

  event(nowUs: number, step: number, process: string, event: object): void {
    this.line(nowUs, process, `#${step} <- ${describe(event)}`);
  }

  effect(nowUs: number, process: string, effect: object): void {
    this.line(nowUs, process, `   -> ${describe(effect)}`);
  }

  started(nowUs: number, process: string, idBase: number | null): void {
    this.line(nowUs, process, idBase === null ? "started" : `started, wire ids from ${idBase}`);
  }

  ended(nowUs: number, process: string): void {
    this.line(nowUs, process, "ended");
  }

  /** A line of text is an event at either end. */
  sent(): void {}

  arrived(): void {}
}

/** Replaces every token by a short name that is the same for the same token. */
export function redact(text: string): string {
  return text.replace(TOKEN, (token) => `<token:${fakeSha256(token).slice(0, 4)}>`);
}

/** `type member=value member=value`, with long values cut. */
function describe(value: object): string {
  const parts: string[] = [];
  for (const [name, member] of Object.entries(value)) {
    parts.push(name === "type" ? String(member) : `${name}=${show(member)}`);
  }
  return parts.join(" ");
}

function show(value: unknown): string {
  if (value instanceof Uint8Array) return showBytes(value);
  if (typeof value === "string") return cut(value === "" ? '""' : value);
  if (Array.isArray(value)) return cut(`[${value.map(show).join(", ")}]`);
  if (typeof value === "object" && value !== null) return `{${describe(value)}}`;
  return String(value);
}

function showBytes(bytes: Uint8Array): string {
  let digits = "";
  for (const byte of bytes.subarray(0, BYTES_SHOWN)) digits += byte.toString(16).padStart(2, "0");
  return `<${bytes.length} bytes ${digits}${bytes.length > BYTES_SHOWN ? ".." : ""}>`;
}

function cut(text: string): string {
  return text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX)}..`;
}

/** Seconds with six digits after the point. */
function formatTime(nowUs: number): string {
  const seconds = Math.floor(nowUs / 1_000_000);
  return `${String(seconds).padStart(4)}.${String(nowUs % 1_000_000).padStart(6, "0")}`;
}
