import { availableParallelism } from "node:os";
import { describe, expect, test } from "vitest";
import { readServeConfig } from "../../../adapters/settings/settings.ts";

const SECRET = "0123456789abcdef0123456789abcdef";

const PEER = ["--peer-bind=10.0.0.1", "--peer-url=http://10.0.0.1:8002", `--cluster-secret=${SECRET}`];

function read(...flags: readonly string[]) {
  return readServeConfig(flags, {});
}

describe("--workers", () => {
  test("takes a number, or auto for one on each core", () => {
    expect(read("--workers=3").workers).toBe(3);
    expect(read("--workers=auto").workers).toBe(Math.min(availableParallelism(), 256));
  });

  test.each(["0", "-1", "1.5", "257", "many"])("does not take %j", (text) => {
    expect(() => read(`--workers=${text}`)).toThrow("must be auto or a number from 1 to 256");
  });

  test("goes with peers where each worker has the next port of both settings", () => {
    expect(read("--workers=2", ...PEER).peer?.port).toBe(8002);
  });

  test.each([
    [["--database=sqlite::memory:"], "needs a database that all of them see"],
    [["--public-url=https://one.example.org"], "--public-url names one node"],
    [["--reuse-port=on", "--port=0"], "needs a --port of its own"],
    [[...PEER, "--peer-port=0"], "needs a --peer-port"],
    [[...PEER, "--peer-port=65535"], "--peer-port is too high"],
    [[...PEER, "--peer-port=9002"], "needs a --peer-url with the port of --peer-port"],
  ])("is refused with %j, and alone that is taken", (flags, sentence) => {
    expect(() => read("--workers=2", ...flags)).toThrow(sentence);
    expect(read("--workers=1", ...flags).workers).toBe(1);
  });
});
