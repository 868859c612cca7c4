/** `culvert hash-password` as a person and a script meet it. */
import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { checkPassword } from "../../adapters/server/passwords.ts";
import { Watch } from "../helpers/watch.ts";

const MAIN = join(import.meta.dirname, "../../dist/program.cjs");
const HASH = /^scrypt\.15\.8\.3\.[\w-]{22}\.[\w-]{43}\n$/;

/** With a pipe as its stdin. */
function run(input: string | Buffer, args: readonly string[] = []): string {
  return execFileSync(process.execPath, [MAIN, "hash-password", ...args], {
    input,
    encoding: "utf8",
    stdio: "pipe",
  });
}

function complaint(input: string | Buffer, args: readonly string[] = []): string {
  try {
    return `no complaint: ${run(input, args)}`;
  } catch (error) {
    return error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
  }
}

describe("in a pipe", () => {
  test.each(["a word\n", "a word", "a word\r\n"])("takes the line %j", async (input) => {
    const hash = run(input);
    expect(hash).toMatch(HASH);
    expect(await checkPassword("a word", hash.trim())).toBe("right");
  });

  test("prints all that --access takes for a user", () => {
    expect(run("wörd", ["--user", "the cook"])).toMatch(/^basic:the cook:scrypt\./);
  });

  test.each<[string, string | Buffer, readonly string[], string]>([
    ["nothing", "", [], "the password is empty"],
    ["two lines", "a\nb\n", [], "the password must be one line without control characters"],
    ["no text", Buffer.from([0xff]), [], "the password is not UTF-8 text"],
    ["a novel", "x".repeat(5_000), [], "the password is longer than 1024 bytes"],
    [
      "a bad name",
      "word",
      ["--user", "a:b"],
      "--user must be at most 100 characters of ASCII without a colon",
    ],
    ["the password as an argument", "", ["word"], "argument 1 belongs to no flag; see --help"],
  ])("refuses %s in one line", (_what, input, args, message) => {
    expect(complaint(input, args)).toBe(`culvert: ${message}\n`);
  });
});

describe("at a terminal", () => {
  /** Types each text when the one before it was asked for, and gives what the terminal showed. */
  async function type(...keys: readonly string[]): Promise<string> {
    const command = `${process.execPath} ${MAIN} hash-password`;
    const child = spawn("script", ["--quiet", "--flush", "--return", "--command", command, "/dev/null"]);
    onTestFinished(() => void child.kill("SIGKILL"));
    const watch = new Watch();
    let shown = "";
    let ended = false;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
      watch.changed();
    });
    child.once("close", () => {
      ended = true;
      watch.changed();
    });
    for (const [index, text] of keys.entries()) {
      await watch.until(() => ended || shown.includes(index === 0 ? "Password: " : "Once more: "));
      child.stdin.write(text);
    }
    await watch.until(() => ended);
    return shown;
  }

  test("asks twice, shows nothing of what is typed, and lets a slip be mended", async () => {
    const shown = await type("secreé\x7ft-word\r", "nonsense\x15secret-word\r");
    expect(shown).not.toContain("secre");
    const [hash = ""] = /scrypt\.\S+/.exec(shown) ?? [];
    expect(await checkPassword("secret-word", hash)).toBe("right");
  });

  test("says so where the two differ", async () => {
    expect(await type("one\r", "two\r")).toContain("the two passwords differ: try again");
  });

  test("ends with Ctrl-C", async () => {
    expect(await type("secr\x03")).toContain("no password was given");
  });
});
