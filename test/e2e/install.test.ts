/** `culvert install` for a user, with a systemctl that only notes how it is called. test/deploy/ has it under a real systemd. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startProgram } from "../helpers/program.ts";
import { temporaryFolder } from "../helpers/tunnel.ts";

function machine(systemctl: string | null) {
  const home = temporaryFolder();
  const bin = join(home, "bin");
  const calls = join(home, "calls");
  mkdirSync(bin);
  writeFileSync(calls, "");
  if (systemctl !== null) writeFileSync(join(bin, "systemctl"), systemctl, { mode: 0o755 });
  return {
    unit: join(home, ".config/systemd/user/culvert.service"),
    socket: join(home, ".config/systemd/user/culvert.socket"),
    token: join(home, ".config/culvert/access-token"),
    calls: () => readFileSync(calls, "utf8").trim().split("\n"),
    async culvert(...words: readonly string[]) {
      const environment = { PATH: bin, HOME: home, CALLS: calls, TUNNEL_ACCESS_TOKEN: undefined };
      const program = startProgram(words, { environment });
      return { code: await program.ended, output: program.output() };
    },
  };
}

const NOTES = '#!/bin/sh\necho "$@" >>"$CALLS"\n';

test("writes a unit and a token, starts it, and takes back what is no secret", async () => {
  const here = machine(NOTES);
  const { code, output } = await here.culvert("install", "server", "--user", "--", "--port=8123");
  expect(code, output).toBe(0);
  expect(readFileSync(here.unit, "utf8")).toContain("--port=8123");
  expect(readFileSync(here.socket, "utf8")).toContain("\nListenStream=0.0.0.0:8123\n");
  const token = readFileSync(here.token, "utf8");
  expect(token).toMatch(/^[0-9a-f]{64}\n$/);
  expect(statSync(here.token).mode & 0o777).toBe(0o600);
  expect(output).not.toContain(token.trim());
  expect(here.calls()).toEqual([
    "--user daemon-reload",
    "--user enable culvert.socket culvert.service",
    "--user restart culvert.socket culvert.service",
  ]);
  // Once more with other flags: homes keep their access token.
  await here.culvert("install", "server", "--user", "--", "--port=8124");
  expect(readFileSync(here.unit, "utf8")).toContain("--port=8124");
  expect(readFileSync(here.token, "utf8")).toBe(token);
  const undone = await here.culvert("uninstall", "server", "--user");
  expect(undone.code).toBe(0);
  expect(existsSync(here.unit) || existsSync(here.socket)).toBe(false);
  expect(readFileSync(here.token, "utf8")).toBe(token);
  expect(undone.output).toContain(".config/culvert stays");
});

test("takes the ports from systemd again where the server is to find one by itself", async () => {
  const here = machine(NOTES);
  await here.culvert("install", "server", "--user");
  expect(existsSync(here.socket)).toBe(true);
  await here.culvert("install", "server", "--user", "--", "--port=0");
  expect(existsSync(here.socket)).toBe(false);
  expect(readFileSync(here.unit, "utf8")).not.toContain("culvert.socket");
  expect(here.calls().slice(3)).toEqual([
    "--user disable --now culvert.socket",
    "--user daemon-reload",
    "--user enable culvert.service",
    "--user restart culvert.service",
  ]);
});

test("says in a dry run what it would do, and does nothing", async () => {
  const here = machine(NOTES);
  const { code, output } = await here.culvert("install", "server", "--user", "--dry-run");
  expect(code).toBe(0);
  expect(output).toContain(`would write ${here.unit}\n    [Unit]\n`);
  expect(output).toContain(`would write ${here.socket}\n    [Unit]\n`);
  expect(output).toContain("would run systemctl --user enable culvert.socket culvert.service");
  expect(existsSync(here.unit) || existsSync(here.socket)).toBe(false);
  expect(existsSync(here.token)).toBe(false);
  expect(here.calls()).toEqual([""]);
});

test.each([
  ["where there is no systemd", null, /there is no systemctl here: --dry-run shows the unit/],
  [
    "where systemd refuses",
    "#!/bin/sh\necho no bus >&2; exit 1\n",
    /systemctl --user daemon-reload fails: no bus/,
  ],
])("says so %s", async (_where, systemctl, message) => {
  const { code, output } = await machine(systemctl).culvert("install", "server", "--user");
  expect(code).toBe(1);
  expect(output).toMatch(message);
});
