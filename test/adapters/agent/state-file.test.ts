import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  createClientId,
  defaultAgentFile,
  loadAgentFile,
  saveAgentFile,
} from "../../../adapters/agent/state-file.ts";
import { StartupError } from "../../../adapters/startup-error.ts";

const CONTENT = { clientId: "home-1", clientToken: "s3cret", server: "https://tunnel.example.org" };

let folder = "";
let file = "";
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "culvert-"));
  file = path.join(folder, "config", "culvert", "agent.json");
});
afterEach(() => {
  vi.restoreAllMocks();
  fs.rmSync(folder, { recursive: true });
});

describe("the state file", () => {
  test("comes back as it was saved, also before there is a token", () => {
    for (const content of [CONTENT, { ...CONTENT, clientToken: null }]) {
      saveAgentFile(file, content);
      expect(loadAgentFile(file)).toEqual(content);
    }
  });

  test("is null where there is none", () => {
    expect(loadAgentFile(file)).toBeNull();
    expect(loadAgentFile(path.join(folder, "no", "such", "folder"))).toBeNull();
  });

  test("and its folder are for their owner alone, whatever the file was before", () => {
    saveAgentFile(file, CONTENT);
    fs.chmodSync(file, 0o644);
    saveAgentFile(file, CONTENT);
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    expect(fs.statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
  });

  test.each([0o640, 0o604, 0o660, 0o620])("is refused when others can open it: mode %o", (mode) => {
    saveAgentFile(file, CONTENT);
    fs.chmodSync(file, mode);
    expect(() => loadAgentFile(file)).toThrow(
      new StartupError(`${file} holds a token and others can read it: run chmod 600 on it`),
    );
  });

  test.each([
    ["", "nothing"],
    ['{"clientId":"s3cret"', "half of it"],
    ["[]", "no object"],
    ['{"clientId":"s3cret","clientToken":"s3cret"}', "no server"],
    [JSON.stringify({ ...CONTENT, clientId: "x".repeat(65) }), "a client id that is too long"],
    [JSON.stringify({ ...CONTENT, clientToken: 5 }), "a token that is no text"],
  ])("is refused in one line without its content when it holds %j: %s", (text) => {
    saveAgentFile(file, CONTENT);
    fs.writeFileSync(file, text);
    const message = refusal(() => loadAgentFile(file));
    expect(message).toContain(file);
    expect(message).toContain("move it away");
    expect(message).not.toMatch(/s3cret|\n/);
  });

  test("is refused in one line when it cannot be read at all", () => {
    expect(refusal(() => loadAgentFile(folder))).toMatch(/cannot be read: EISDIR/);
  });

  test("keeps its old content, and leaves nothing else behind, when it cannot be replaced", () => {
    saveAgentFile(file, CONTENT);
    vi.spyOn(fs, "renameSync").mockImplementation(() => {
      throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
    });
    const message = refusal(() => saveAgentFile(file, { ...CONTENT, clientToken: "newer" }));
    expect(message).toBe(`${file} cannot be written: no space left`);
    expect(loadAgentFile(file)).toEqual(CONTENT);
    expect(fs.readdirSync(path.dirname(file))).toEqual(["agent.json"]);
  });
});

test("the default place is the user's configuration folder", () => {
  const place = (env: NodeJS.ProcessEnv) => defaultAgentFile({ env, home: "/home/me" });
  expect(place({})).toBe("/home/me/.config/culvert/agent.json");
  expect(place({ XDG_CONFIG_HOME: "/etc/me" })).toBe("/etc/me/culvert/agent.json");
  expect(place({ XDG_CONFIG_HOME: "relative" })).toBe("/home/me/.config/culvert/agent.json");
});

test("a new client id is short, readable and not to be met again", () => {
  const ids = Array.from({ length: 1_000 }, createClientId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^home-[0-9a-hjkmnp-tv-z]{10}$/);
});

/** The message of the `StartupError` that the action throws. */
function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof StartupError) return error.message;
    throw error;
  }
  throw new Error("nothing was refused");
}
