import { describe, expect, test } from "vitest";
import { tokenCommand, waysText } from "../../../adapters/agent/ways-text.ts";

const options = {
  server: new URL("https://tunnel.example.net:8443/base"),
  clientId: "home",
  access: "public",
  ways: { host: "home.example.net", path: "/t/home/" },
  tokenCommand: "culvert token create --name NAME",
  isTerminal: false,
};
const neither = { host: null, path: null };

describe("what an agent prints of its home", () => {
  test("begins with the link of its own name, then that of its path", () => {
    expect(waysText(options).split("\n")).toEqual([
      "connected as home",
      "open https://home.example.net:8443/",
      "or https://tunnel.example.net:8443/base/t/home/",
    ]);
    expect(waysText({ ...options, ways: { host: null, path: "/t/home/" } })).toContain(
      "\nopen https://tunnel.example.net:8443/base/t/home/",
    );
  });

  test("names the password where one is asked for, and never shows it", () => {
    const text = waysText({ ...options, access: "basic me:scrypt.15.8.1.s3cret.s3cret" });
    expect(text).toContain("open https://home.example.net:8443/\n");
    expect(text).toContain("user name and password");
    expect(text).not.toContain("s3cret");
  });

  test("says where the token comes from that a browser signs in with", () => {
    expect(waysText({ ...options, access: "token" }).split("\n")).toEqual([
      "connected as home",
      "open https://home.example.net:8443/",
      "or https://tunnel.example.net:8443/base/t/home/",
      "and sign in with a token; this makes one: culvert token create --name NAME",
      'a program sends it as "Authorization: Bearer TOKEN"; --access public lets everybody in',
    ]);
  });

  test.each([
    [{}, ""],
    [{ clientId: "my-home" }, " --client-id my-home"],
    [{ clientId: "it's mine" }, " --client-id 'it'\\''s mine'"],
    [{ stateFile: "/var/lib/agent.json" }, " --state /var/lib/agent.json"],
    [
      { config: "agent.yaml", clientId: "music", stateFile: "/x.json" },
      " --config agent.yaml --client-id music",
    ],
  ])("names a command for it that finds the agent's own settings: %j", (place, flags) => {
    const nothing = { config: null, clientId: null, stateFile: null };
    expect(tokenCommand({ ...nothing, ...place })).toBe(`culvert token create --name NAME${flags}`);
  });

  test("has a QR code for a person at a terminal, of what a browser opens alone", () => {
    expect(waysText({ ...options, isTerminal: true })).toMatch(/[\u2580-\u2588]{20}/);
    expect(waysText({ ...options, access: "token", isTerminal: true })).toMatch(/[\u2580-\u2588]{20}/);
    for (const other of [{ ways: neither }, { ways: null }]) {
      expect(waysText({ ...options, isTerminal: true, ...other })).not.toMatch(/[\u2580-\u2588]/);
    }
  });

  test.each([
    ["token", neither, ["--domain"], ["--access"]],
    ["public", neither, ["--domain"], ["--access"]],
    ["public", null, [], ["--domain", "--access"]],
  ])(
    "calls nothing a link that no browser opens, and says what makes one: %s %o",
    (access, ways, said, unsaid) => {
      const text = waysText({ ...options, access, ways });
      expect(text).toContain("\nvisitors reach it at https://tunnel.example.net:8443/base/?clientId=home\n");
      expect(text).toContain("Authorization: Bearer");
      expect(text).not.toMatch(/^open /m);
      for (const word of said) expect(text).toContain(word);
      for (const word of unsaid) expect(text).not.toContain(word);
    },
  );
});
