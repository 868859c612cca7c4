import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LineQueue } from "../../../adapters/operator/output.ts";

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

let folder: string;
let reader: number;
let writer: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "culvert-output-"));
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  reader = openSync(path, O_RDONLY | O_NONBLOCK);
  writer = openSync(path, O_WRONLY | O_NONBLOCK);
});

afterEach(() => {
  closeSync(reader);
  closeSync(writer);
  rmSync(folder, { recursive: true });
});

/** What has come, without waiting for more. */
function readAll(): string {
  const pieces: Buffer[] = [];
  try {
    for (;;) {
      const piece = Buffer.alloc(65_536);
      const count = readSync(reader, piece);
      if (count === 0) break;
      pieces.push(piece.subarray(0, count));
    }
  } catch {
    // Nothing is left for now.
  }
  return Buffer.concat(pieces).toString();
}

function readThrough(queue: LineQueue): string {
  let text = "";
  for (let piece = readAll(); piece !== ""; piece = readAll()) {
    text += piece;
    queue.flush(0);
  }
  return text;
}

describe("a queue of lines", () => {
  test("writes them in their order, at the exit too", () => {
    const queue = new LineQueue(writer);
    queue.write("first\n");
    queue.write("second\n");
    queue.flush(0);
    queue.write("third\n");
    queue.flush(0);
    expect(readAll()).toBe("first\nsecond\nthird\n");
  });

  test("writes them by itself at the end of the turn", async () => {
    new LineQueue(writer).write("a line\n");
    expect(readAll()).toBe("");
    await new Promise((resolve) => setImmediate(resolve));
    expect(readAll()).toBe("a line\n");
  });

  test("keeps some MiB for a reader that stalls, whole lines all, and no more (R06)", () => {
    const queue = new LineQueue(writer);
    const line = `${"x".repeat(1_023)}\n`;
    for (let count = 0; count < 10_240; count++) queue.write(line);
    queue.flush(0);
    const text = readThrough(queue);
    expect(text.length).toBe(4 * 1024 * 1024);
    expect(new Set(text.trimEnd().split("\n"))).toEqual(new Set([line.trimEnd()]));
    queue.write("the next line\n");
    queue.flush(0);
    expect(readAll()).toBe("the next line\n");
  });

  test("leaves out what finds no reader, and goes on with the next one", () => {
    const queue = new LineQueue(writer);
    closeSync(reader);
    queue.write("to nobody\n");
    queue.flush(0);
    reader = openSync(join(folder, "pipe"), O_RDONLY | O_NONBLOCK);
    queue.write("to somebody\n");
    queue.flush(0);
    expect(readAll()).toBe("to somebody\n");
  });

  test("begins a new line after one that lost its end with its reader", () => {
    const queue = new LineQueue(writer);
    // More than the pipe takes at once.
    queue.write(`${"x".repeat(1024 * 1024)}\n`);
    queue.flush(0);
    closeSync(reader);
    queue.flush(0);
    reader = openSync(join(folder, "pipe"), O_RDONLY | O_NONBLOCK);
    queue.write("whole\n");
    expect(readThrough(queue)).toMatch(/^x+\nwhole\n$/);
  });

  test("gives up on a full pipe when its time is over", () => {
    const page = Buffer.alloc(4_096);
    expect(() => {
      for (;;) writeSync(writer, page);
    }).toThrow("EAGAIN");
    const queue = new LineQueue(writer);
    queue.write("a line\n");
    queue.flush(1);
    expect(readThrough(queue)).toContain("a line\n");
  });
});
