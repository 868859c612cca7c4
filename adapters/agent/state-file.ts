/** What the agent keeps between two runs: who it is, and the token that proves it. */
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { z } from "zod";
import { causeOf, codeOf } from "../error-cause.ts";
import { StartupError } from "../startup-error.ts";

const agentFile = z.object({
  clientId: z.string().min(1).max(64),
  /** Null until the first registration. */
  clientToken: z.string().min(1).nullable(),
  /** The server's URL: at another server the token is worth nothing. */
  server: z.string().min(1),
});

export type AgentFile = z.infer<typeof agentFile>;

/** Where the file is unless the user says otherwise. A relative `XDG_CONFIG_HOME` is ignored, as its specification orders. */
export function defaultAgentFile(place: { readonly env: NodeJS.ProcessEnv; readonly home: string }): string {
  const configured = place.env.XDG_CONFIG_HOME ?? "";
  const folder = path.isAbsolute(configured) ? configured : path.join(place.home, ".config");
  return path.join(folder, "culvert", "agent.json");
}

/** Null where there is no file yet. Throws `StartupError`, which says what to do and nothing of the content. */
export function loadAgentFile(file: string): AgentFile | null {
  let text: string;
  try {
    text = readPrivate(file);
  } catch (error) {
    if (error instanceof StartupError) throw error;
    if (codeOf(error) === "ENOENT") return null;
    throw new StartupError(`${file} cannot be read: ${causeOf(error)}`);
  }
  const parsed = agentFile.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new StartupError(
    `${file} is not an agent's state file: move it away, and the agent registers under a new client id`,
  );
}

/**
 * Replaces the file in one step, so that a crash leaves the old content or the new, and makes its folder where that is
 * missing. Both are for their owner alone. Throws `StartupError`.
 */
export function saveAgentFile(file: string, content: AgentFile): void {
  const folder = path.dirname(file);
  const draft = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      writeDurably(draft, `${JSON.stringify(content, null, 2)}\n`);
      fs.renameSync(draft, file);
    } catch (error) {
      fs.rmSync(draft, { force: true });
      throw error;
    }
    syncFolder(folder);
  } catch (error) {
    throw new StartupError(`${file} cannot be written: ${causeOf(error)}`);
  }
}

/** A client id that nobody else has, short enough to be read out: 50 random bits in letters and digits that look unlike each other. */
export function createClientId(): string {
  let id = "home-";
  for (const byte of randomBytes(10)) id += ALPHABET[byte % ALPHABET.length];
  return id;
}

/** 32 characters, so that a byte's remainder favours none: without i, l, o and u, as in Crockford's base 32. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** Reads and judges one and the same file, even where somebody swaps it meanwhile. */
function readPrivate(file: string): string {
  const descriptor = fs.openSync(file, "r");
  try {
    // Windows has no such bits and reports them all as set.
    const isOpen = process.platform !== "win32" && (fs.fstatSync(descriptor).mode & 0o077) !== 0;
    if (isOpen) throw new StartupError(`${file} holds a token and others can read it: run chmod 600 on it`);
    return fs.readFileSync(descriptor, "utf8");
  } finally {
    fs.closeSync(descriptor);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function writeDurably(file: string, text: string): void {
  const descriptor = fs.openSync(file, "wx", 0o600);
  try {
    fs.writeFileSync(descriptor, text);
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Makes the rename itself durable. Windows cannot open a folder and needs no such thing. */
function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const descriptor = fs.openSync(folder, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
