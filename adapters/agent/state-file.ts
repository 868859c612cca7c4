/** What the agent keeps between two runs: who it is, and the token that proves it. */
import { createHash, randomBytes } from "node:crypto";
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

/** What decides where the file is. A null `clientId` has one made for the user, and is remembered in a file of no name. */
export type StatePlace = {
  readonly env: NodeJS.ProcessEnv;
  /** The user's home folder. May throw where the system knows of none. */
  readonly home: () => string;
  readonly clientId: string | null;
};

/**
 * Where the file is unless the user says otherwise: each client id has its own, so that two agents of one user do not take each
 * other's. Older agents kept every client id in `agent.json`; one that is found there stays. A relative `XDG_CONFIG_HOME` is
 * ignored, as its specification orders. Throws `StartupError`.
 */
export function defaultAgentFile({ env, home, clientId }: StatePlace): string {
  const configured = env.XDG_CONFIG_HOME ?? "";
  const folder = path.join(
    path.isAbsolute(configured) ? configured : path.join(homeOf(home), ".config"),
    "culvert",
  );
  const common = path.join(folder, "agent.json");
  if (clientId === null) return common;
  const own = path.join(folder, `agent-${fileNameOf(clientId)}.json`);
  if (fs.existsSync(own)) return own;
  return readIfThere(common)?.clientId === clientId ? common : own;
}

function homeOf(home: () => string): string {
  try {
    return home();
  } catch {
    throw new StartupError(
      "this user has no home folder: say with --state which file keeps the client id and token",
    );
  }
}

/** A client id may have what a file's name may not, and be longer than it. */
function fileNameOf(clientId: string): string {
  if (PLAIN_NAME.test(clientId)) return clientId;
  return createHash("sha256").update(clientId).digest("hex").slice(0, 32);
}

const PLAIN_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

function readIfThere(file: string): AgentFile | null {
  try {
    return loadAgentFile(file);
  } catch {
    // Whatever is wrong with it does not concern a client id that has a file of its own.
    return null;
  }
}

/**
 * Null where there is no file yet, or an empty one, as it is made to be mounted. Throws `StartupError`, which says what to do
 * and nothing of the content.
 */
export function loadAgentFile(file: string): AgentFile | null {
  let text: string | null;
  try {
    text = readPrivate(file);
  } catch (error) {
    if (error instanceof StartupError) throw error;
    if (codeOf(error) === "ENOENT") return null;
    throw new StartupError(`${file} cannot be read: ${causeOf(error)}`);
  }
  if (text === null) return null;
  const parsed = agentFile.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new StartupError(
    `${file} is not an agent's state file: move it away, and the agent registers under a new client id`,
  );
}

/**
 * Replaces the file in one step, so that a crash leaves the old content or the new, and makes its folder where that is
 * missing. Both are for their owner alone. A link stays, and what it points to is replaced. A file that is mounted by itself,
 * or whose folder takes no other, can only be written in place. Throws `StartupError`.
 */
export function saveAgentFile(link: string, content: AgentFile): void {
  const text = `${JSON.stringify(content, null, 2)}\n`;
  try {
    const file = targetOf(link);
    const folder = path.dirname(file);
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      replace(file, text);
    } catch (error) {
      if (!IN_PLACE.has(codeOf(error)) || !fs.existsSync(file)) throw error;
      overwrite(file, text);
      return;
    }
    syncFolder(folder);
  } catch (error) {
    throw new StartupError(`${link} cannot be written: ${causeOf(error)}`);
  }
}

/** A mount point is busy, or on a file system of its own; a folder may be closed to this user, or be read-only. */
const IN_PLACE: ReadonlySet<string> = new Set(["EBUSY", "EXDEV", "EACCES", "EPERM", "EROFS"]);

function replace(file: string, text: string): void {
  const draft = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    writeDurably(draft, text);
    fs.renameSync(draft, file);
  } catch (error) {
    fs.rmSync(draft, { force: true });
    throw error;
  }
}

function overwrite(file: string, text: string): void {
  const descriptor = fs.openSync(file, "r+");
  try {
    fs.fchmodSync(descriptor, 0o600);
    fs.ftruncateSync(descriptor);
    fs.writeFileSync(descriptor, text);
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Where the links end, also where there is nothing yet. */
function targetOf(link: string): string {
  let file = link;
  for (let step = 0; step < LINKS_MAX; step++) {
    if (!fs.lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink()) return file;
    file = path.resolve(path.dirname(file), fs.readlinkSync(file));
  }
  throw new Error("there are too many symbolic links");
}

/** As many as Linux follows. */
const LINKS_MAX = 40;

/** A client id that nobody else has, short enough to be read out: 50 random bits in letters and digits that look unlike each other. */
export function createClientId(): string {
  let id = "home-";
  for (const byte of randomBytes(10)) id += ALPHABET[byte % ALPHABET.length];
  return id;
}

/** 32 characters, so that a byte's remainder favours none: without i, l, o and u, as in Crockford's base 32. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** Reads and judges one and the same file, even where somebody swaps it meanwhile. Null where it is empty. */
function readPrivate(file: string): string | null {
  const descriptor = fs.openSync(file, "r");
  try {
    const { mode } = fs.fstatSync(descriptor);
    const text = fs.readFileSync(descriptor, "utf8");
    if (text.trim() === "") return null;
    // Windows has no such bits and reports them all as set. What nobody may write is a mounted secret: who may read it there
    // was decided by whoever mounted it.
    const isOpen = process.platform !== "win32" && (mode & 0o077) !== 0 && (mode & 0o222) !== 0;
    if (isOpen) {
      throw new StartupError(
        `${file} holds a token and others can read it: run chmod 600 on it, or chmod 444 if it is a mounted secret`,
      );
    }
    return text;
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
