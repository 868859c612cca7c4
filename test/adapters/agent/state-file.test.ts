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

  test("is null where it is empty, as somebody made it to be mounted", () => {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    for (const text of ["", "\n"]) {
      fs.writeFileSync(file, text, { mode: 0o644 });
      expect(loadAgentFile(file)).toBeNull();
    }
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
      new StartupError(
        `${file} holds a token and others can read it: run chmod 600 on it, or chmod 444 if it is a mounted secret`,
      ),
    );
  });

  test.each([0o400, 0o440, 0o444])("is taken as a mounted secret that nobody can change: mode %o", (mode) => {
    saveAgentFile(file, CONTENT);
    fs.chmodSync(file, mode);
    expect(loadAgentFile(file)).toEqual(CONTENT);
  });

  test("stays where links lead to it, whether it is there already or not", () => {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    const first = path.join(folder, "first.json");
    const second = path.join(folder, "second.json");
    fs.symlinkSync("second.json", first);
    fs.symlinkSync(file, second);
    for (const clientToken of ["older", "newer"]) {
      saveAgentFile(first, { ...CONTENT, clientToken });
      expect(loadAgentFile(file)?.clientToken).toBe(clientToken);
    }
    expect(fs.readlinkSync(first)).toBe("second.json");
    fs.rmSync(file);
    fs.symlinkSync(first, file);
    expect(refusal(() => saveAgentFile(first, CONTENT))).toContain("too many symbolic links");
  });

  test.each(["EBUSY", "EXDEV", "EACCES", "EPERM", "EROFS"])(
    "is written in place where another cannot take its place: %s",
    (code) => {
      saveAgentFile(file, { ...CONTENT, clientToken: "an older and a longer token" });
      vi.spyOn(fs, "renameSync").mockImplementation(() => {
        throw Object.assign(new Error(code), { code });
      });
      saveAgentFile(file, CONTENT);
      expect(loadAgentFile(file)).toEqual(CONTENT);
      expect(fs.readdirSync(path.dirname(file))).toEqual(["agent.json"]);
      expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    },
  );

  test.each([
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

describe("the default place", () => {
  const place = (env: NodeJS.ProcessEnv, clientId: string | null = null) =>
    defaultAgentFile({ env, home: () => "/home/me", clientId });

  test("is the user's configuration folder", () => {
    expect(place({})).toBe("/home/me/.config/culvert/agent.json");
    expect(place({ XDG_CONFIG_HOME: "/etc/me" })).toBe("/etc/me/culvert/agent.json");
    expect(place({ XDG_CONFIG_HOME: "relative" })).toBe("/home/me/.config/culvert/agent.json");
  });

  test("is another one for each client id, whatever characters that has", () => {
    expect(place({}, "music")).toBe("/home/me/.config/culvert/agent-music.json");
    const names = ["Music", "a/b", "..", "é".repeat(64), "a".repeat(64)].map((id) => place({}, id));
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(path.dirname(name)).toBe("/home/me/.config/culvert");
    for (const name of names) expect(path.basename(name).length).toBeLessThan(100);
  });

  test("is still the common file where an older agent left that client id in it", () => {
    const env = { XDG_CONFIG_HOME: folder };
    saveAgentFile(path.join(folder, "culvert", "agent.json"), CONTENT);
    expect(path.basename(place(env, CONTENT.clientId))).toBe("agent.json");
    expect(path.basename(place(env, "other"))).toBe("agent-other.json");
    saveAgentFile(path.join(folder, "culvert", `agent-${CONTENT.clientId}.json`), CONTENT);
    expect(path.basename(place(env, CONTENT.clientId))).toBe(`agent-${CONTENT.clientId}.json`);
  });

  test("is to be said by a user who has no home", () => {
    const home = () => {
      throw new Error("no such user");
    };
    expect(refusal(() => defaultAgentFile({ env: {}, home, clientId: null }))).toContain("--state");
    expect(defaultAgentFile({ env: { XDG_CONFIG_HOME: "/x" }, home, clientId: null })).toBe(
      "/x/culvert/agent.json",
    );
  });
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
