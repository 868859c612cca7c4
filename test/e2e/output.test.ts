/** Nobody who reads what the processes print, or does not, takes them from those they serve or keeps them from their end. */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { startOrigin } from "../helpers/origin.ts";
import {
  type AgentProgram,
  type Program,
  type ProgramOptions,
  startAgentProgram,
  startProgram,
  startServerProgram,
  untilTrue,
} from "../helpers/program.ts";
import { temporaryFolder } from "../helpers/tunnel.ts";

const DEBUG = { flags: ["--log-level=debug"] };

const PLACES: readonly (readonly [string, () => ProgramOptions])[] = [
  ["stdout is closed", () => ({ script: 'exec "$@" >&-' })],
  ["stderr is closed", () => ({ script: 'exec "$@" 2>&-' })],
  ["all three are closed", () => ({ script: 'exec "$@" <&- >&- 2>&-' })],
  ["nobody ever reads stdout", () => ({ stdout: pipe({ isRead: false }).writer })],
  ["nobody ever reads stderr", () => ({ stderr: pipe({ isRead: false }).writer })],
  ["nobody ever reads either", () => both(pipe({ isRead: false }).writer)],
  ["the pipe at stdout is full", () => ({ stdout: pipe({ isFull: true }).writer })],
  ["the pipe at stderr is full", () => ({ stderr: pipe({ isFull: true }).writer })],
  ["one pipe for both is full", () => both(pipe({ isFull: true }).writer)],
  ["the disk under both is full", () => both(kept(openSync("/dev/full", "w")))],
];

describe("a server and its agent serve, and exit 0 when told to, where", () => {
  test.each(PLACES)("%s", async (_where, options) => {
    const server = await startServerProgram({ ...DEBUG, ...options() });
    const agent = await startAgentProgram(server, await startHome(), options());
    await expectService(server, agent);
  });

  test("their readers leave meanwhile", async () => {
    const { writer, leave } = pipe();
    const server = await startServerProgram({ ...DEBUG, ...both(writer) });
    const agent = await startAgentProgram(server, await startHome(), both(writer));
    leave();
    await expectService(server, agent);
  });
});

async function expectService(server: Program, agent: AgentProgram): Promise<void> {
  expect((await agent.visit("/song")).body.toString()).toBe("served");
  agent.signal("SIGTERM");
  expect(await agent.ended).toBe(0);
  server.signal("SIGTERM");
  expect(await server.ended).toBe(0);
}

describe("a command that ends by itself keeps its exit code where", () => {
  test.each(PLACES)("%s", async (_where, options) => {
    const help = startProgram(["--help"], options());
    const mistake = startProgram(["sevre"], options());
    expect([await help.ended, await mistake.ended]).toEqual([0, 1]);
  });
});

describe("the log", () => {
  test("waits for a reader that stalls, and loses nothing of the little that it has to say", async () => {
    const { reader, writer, filled } = pipe({ isFull: true });
    const server = await startServerProgram({ stderr: writer });
    server.signal("SIGTERM");
    let text = "";
    const look = () => {
      text += readAll(reader);
      return text.includes('"msg":"draining"');
    };
    await untilTrue(look, server);
    expect(await server.ended).toBe(0);
    const told = messages(text.slice(filled));
    expect([told.at(0), told.at(-1)]).toEqual(["admin listener ready", "draining"]);
  });

  test("goes on when the disk has room again, with a new line after one that was cut", async () => {
    const file = join(temporaryFolder(), "log");
    const script = `ulimit -S -f ${ROOM_BYTES / 1_024}; exec "$@"`;
    const server = await startServerProgram({ ...DEBUG, script, stderr: kept(openSync(file, "a")) });
    const first = await startAgentProgram(server, await startHome());
    await untilTrue(
      async () => (await first.visit("/song")).status === 200 && statSync(file).size === ROOM_BYTES,
      server,
    );
    execFileSync("prlimit", ["--pid", String(server.pid), "--fsize=unlimited"]);
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
    const text = readFileSync(file, "utf8");
    expect(text.charAt(ROOM_BYTES)).toBe("\n");
    expect(messages(text.slice(ROOM_BYTES))).toContain("draining");
  });
});

describe("a terminal", () => {
  test("has a log for people, is not waited for when it is stopped, and drains the server by going away", async () => {
    const folder = temporaryFolder();
    const code = join(folder, "code");
    const pid = join(folder, "pid");
    // What a shell does whose terminal goes away: it tells what it started. This one stays to see the end.
    const job = "$(printf '%q ' \"$@\") & trap 'kill -HUP '\\$! HUP";
    const inside = `${job}; echo \\$! > ${pid}; wait \\$!; wait \\$!; echo \\$? > ${code}`;
    const script = `exec script --quiet --flush --command "${inside}" /dev/null`;
    const terminal = await startServerProgram({ ...DEBUG, script, stdin: "pipe" });
    onTestFinished(() => killIfAlive(Number(readFileSync(pid, "utf8"))));
    await untilTrue(() => /INFO.*admin listener ready/.test(terminal.output()), terminal);
    terminal.type(CTRL_S);
    const agent = await startAgentProgram(terminal, await startHome());
    for (let turn = 0; turn < 10; turn++) {
      expect((await agent.visit("/song")).body.toString()).toBe("served");
    }
    terminal.signal("SIGKILL");
    await terminal.ended;
    await untilTrue(() => existsSync(code) && readFileSync(code, "utf8").endsWith("\n"), agent);
    expect(readFileSync(code, "utf8")).toBe("0\n");
  });
});

/** Ends inside a line. */
const ROOM_BYTES = 1_024;

const CTRL_S = "\u0013";

async function startHome(): Promise<string> {
  const origin = await startOrigin((_request, response) => response.end("served"));
  return origin.url;
}

type Pipe = {
  readonly reader: number;
  readonly writer: number;
  /** How many bytes were put into it. */
  readonly filled: number;
  /** Closes its one reader. */
  leave(): void;
};

/** A pipe of which the program gets the writing end, in the mode in which a shell gives it: writing waits while it is full. */
function pipe({ isRead = true, isFull = false } = {}): Pipe {
  const path = join(temporaryFolder(), "pipe");
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  let isOpen = true;
  const leave = () => {
    if (isOpen) closeSync(reader);
    isOpen = false;
  };
  onTestFinished(leave);
  const writer = kept(openSync(path, "w"));
  const filled = isFull ? fill(reader) : 0;
  if (!isRead) leave();
  return { reader, writer, filled, leave };
}

/** For one that outlives what it was started with. */
function killIfAlive(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended, as it should.
  }
}

/** Open until the test is over. */
function kept(fd: number): number {
  onTestFinished(() => closeSync(fd));
  return fd;
}

function both(fd: number): ProgramOptions {
  return { stdout: fd, stderr: fd };
}

/** Writes until nothing more fits. */
function fill(fd: number): number {
  const page = Buffer.alloc(4_096, ".");
  let bytes = 0;
  try {
    for (;;) bytes += writeSync(fd, page);
  } catch {
    return bytes;
  }
}

/** What is there to be read now. */
function readAll(fd: number): string {
  const pieces: Buffer[] = [];
  try {
    for (;;) {
      const piece = Buffer.alloc(65_536);
      pieces.push(piece.subarray(0, readSync(fd, piece)));
    }
  } catch {
    return Buffer.concat(pieces).toString();
  }
}

/** Of whole lines. */
function messages(text: string): unknown[] {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).msg);
}
