import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Child, type ChildOptions, startChild } from "./child.ts";
import { Cleanup } from "./cleanup.ts";

describe("a child process", () => {
  let folder: string;
  let child: Child | null;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "culvert-test-"));
    child = null;
  });
  afterEach(async () => {
    await child?.stop();
    await rm(folder, { recursive: true });
  });

  it("is ready with the rest of the line that begins with the prefix", async () => {
    child = await start(`console.log("first"); console.log("ready at 42"); setInterval(() => {}, 1e6);`);
    expect(child.readyText).toBe("at 42");
    expect(child.pid).toBeGreaterThan(0);
  });

  it("is not ready, with its last words, where it ends before", async () => {
    await expect(start(`console.error("no port left"); process.exit(3);`)).rejects.toThrow(
      /the test child is not ready: it ended with exit code 3\nno port left/,
    );
  });

  it("ends politely where it listens to SIGTERM", async () => {
    child = await start(`process.on("SIGTERM", () => process.exit(0)); console.log("ready");
      setInterval(() => {}, 1e6);`);
    await child.stop();
    expect(await child.ended).toBe("it ended with exit code 0");
  });

  it("answers over the channel, and a question to one that dies fails", async () => {
    child = await start(
      `process.on("message", (m) => (m.die ? process.exit(1) : process.send({ twice: 2 * m.n }))); console.log("ready");`,
      { channel: true },
    );
    expect(await child.ask({ n: 21 })).toEqual({ twice: 42 });
    await expect(child.ask({ die: true })).rejects.toThrow(
      "the test child is gone: it ended with exit code 1",
    );
  });

  it("sees no setting of the caller's environment, only its own", async () => {
    process.env.CULVERT_TEST_LEAK = "leaked";
    try {
      child = await start(
        `console.log("ready " + process.env.CULVERT_TEST_LEAK + " " + process.env.OWN);
        setInterval(() => {}, 1e6);`,
        { environment: { OWN: "given" } },
      );
      expect(child.readyText).toBe("undefined given");
    } finally {
      delete process.env.CULVERT_TEST_LEAK;
    }
  });

  async function start(source: string, options: Partial<ChildOptions> = {}): Promise<Child> {
    const file = join(folder, "child.mjs");
    await writeFile(file, source);
    return startChild({ name: "test child", file, readyPrefix: "ready", ...options });
  }
});

describe("Cleanup", () => {
  it("undoes in reverse order, once, however often it is asked", async () => {
    const cleanup = new Cleanup();
    const undone: string[] = [];
    cleanup.add(() => void undone.push("first"));
    cleanup.add(async () => void undone.push("second"));
    await Promise.all([cleanup.run(), cleanup.run()]);
    expect(undone).toEqual(["second", "first"]);
  });
});
