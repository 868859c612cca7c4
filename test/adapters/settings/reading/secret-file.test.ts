import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { exposedSecrets, readServeConfig, settingsOf } from "../../../../adapters/settings/settings.ts";
import { StartupError } from "../../../../adapters/startup-error.ts";
import { readAgentConfig } from "../../../helpers/settings.ts";

const CANARY = "canary-secret-5d1f";
const AGENT = ["--server", "https://tunnel.example.org", "--to", "http://127.0.0.1:3000"];

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "culvert-secret-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

function fileWith(content: string | Uint8Array, mode = 0o400): string {
  const file = join(folder, `${CANARY}.txt`);
  rmSync(file, { force: true });
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
}

/** What the access token of a server is, given in this file. */
function tokenIn(file: string): string | null {
  return readServeConfig(["--access-token-file", file], {}).accessToken;
}

describe("a secret in a file", () => {
  test.each([
    ["as it is", CANARY],
    ["with a line's end behind it", `${CANARY}\n`],
    ["with that of Windows", `${CANARY}\r\n`],
    ["with a byte order mark", `\ufeff${CANARY}\n`],
  ])("is read %s", (_how, content) => {
    expect(tokenIn(fileWith(content))).toBe(CANARY);
  });

  test.each([0o400, 0o440, 0o444, 0o600, 0o640, 0o644])("is taken with the mode %o", (mode) => {
    expect(tokenIn(fileWith(CANARY, mode))).toBe(CANARY);
  });

  test("is found through a link, as Kubernetes has it, and in a pipe, as shells have it", () => {
    const link = join(folder, "link");
    symlinkSync(fileWith(CANARY), link);
    expect(tokenIn(link)).toBe(CANARY);
    const main = join(import.meta.dirname, "../../../../adapters/settings/settings.ts");
    const script = `const { readServeConfig } = await import(${JSON.stringify(main)});
      process.stdout.write(readServeConfig(process.argv.slice(1), {}).accessToken);`;
    const line = `exec "$0" --input-type=module --eval "$1" -- --access-token-file <(printf ${CANARY})`;
    expect(execFileSync("bash", ["-c", line, process.execPath, script], { encoding: "utf8" })).toBe(CANARY);
  });

  test("is each secret that there is, by flag and by variable", () => {
    const database = fileWith(`mysql://culvert:${CANARY}@db/culvert\n`);
    expect(readServeConfig(["--database-file", database], {}).database).toMatchObject({ password: CANARY });
    expect(readServeConfig([], { DATABASE_URL_FILE: database }).database).toMatchObject({ password: CANARY });
    const token = fileWith(CANARY);
    expect(readAgentConfig([...AGENT, "--access-token-file", token], {}).accessToken).toBe(CANARY);
    expect(readAgentConfig(AGENT, { TUNNEL_ACCESS_TOKEN_FILE: token }).accessToken).toBe(CANARY);
    const access = fileWith(`basic:me:${"0".repeat(64)}\n`);
    expect(readAgentConfig(AGENT, { CULVERT_ACCESS_FILE: access }).access).toContain("basic me:0");
    const headers = fileWith(`Authorization: Bearer ${CANARY}\n\nX-Key: ${CANARY}\n`);
    const config = readAgentConfig([...AGENT, "--header", "X-A: 1", "--header-file", headers], {});
    expect(config.headers).toEqual(["X-A", "1", "Authorization", `Bearer ${CANARY}`, "X-Key", CANARY]);
  });

  test("by a flag wins over one by a variable, as every setting does", () => {
    const file = fileWith(CANARY);
    const environment = { TUNNEL_ACCESS_TOKEN: "other", TUNNEL_ACCESS_TOKEN_FILE: "/nowhere" };
    expect(readServeConfig(["--access-token-file", file], environment).accessToken).toBe(CANARY);
    expect(readServeConfig(["--access-token", CANARY], environment).accessToken).toBe(CANARY);
  });
});

describe("a file that cannot be used is refused in one line that says why", () => {
  test.each<[string, () => string, string]>([
    ["missing", () => join(folder, CANARY), "names a file that is not there"],
    ["below a file", () => join(fileWith("x"), CANARY), "names a file that is not there"],
    ["a folder", () => folder, "names a folder, not a file"],
    ["empty", () => fileWith(""), "names a file that is empty: put the secret into it"],
    ["a line's end", () => fileWith("\n"), "names a file that is empty: put the secret into it"],
    ["no text", () => fileWith(Buffer.from([0xff])), "names a file that is not UTF-8 text"],
    ["two lines", () => fileWith(`${CANARY}\n${CANARY}\n`), "names a file of more than one line"],
    ["two words", () => fileWith(`${CANARY} x`), "must be visible ASCII without spaces"],
    [
      "too large",
      () => fileWith("x".repeat(65_537)),
      "names a file that is too large for a secret: it may have 65536 bytes",
    ],
    ["endless", () => "/dev/zero", "names a file that is too large for a secret: it may have 65536 bytes"],
    [
      "open to its group",
      () => fileWith(CANARY, 0o660),
      "names a file that others can change: run chmod go-w on it",
    ],
    [
      "open to all",
      () => fileWith(CANARY, 0o602),
      "names a file that others can change: run chmod go-w on it",
    ],
  ])("%s", (_what, file, message) => {
    const path = file();
    expect(() => tokenIn(path)).toThrow(new StartupError(`--access-token-file ${message}`));
    expect(() => readServeConfig([], { TUNNEL_ACCESS_TOKEN_FILE: path })).toThrow(
      new StartupError(`TUNNEL_ACCESS_TOKEN_FILE ${message}`),
    );
  });

  test("beside the secret itself", () => {
    const file = fileWith(CANARY);
    expect(() => readServeConfig(["--access-token", CANARY, "--access-token-file", file], {})).toThrow(
      new StartupError("--access-token and --access-token-file are both given: leave one of them out"),
    );
    const environment = { DATABASE_URL: "sqlite:x", DATABASE_URL_FILE: file };
    expect(() => readServeConfig([], environment)).toThrow(
      new StartupError("DATABASE_URL and DATABASE_URL_FILE are both given: leave one of them out"),
    );
    expect(() => readServeConfig([], { DATABASE_URL_FILE: " " })).toThrow(
      new StartupError("DATABASE_URL_FILE is empty: give it a value or unset it"),
    );
    expect(() => readServeConfig([], { TUNNEL_ACCESS_TOKEN_FIEL: file })).toThrow(
      /nothing reads it; did you mean TUNNEL_ACCESS_TOKEN_FILE\?/,
    );
  });
});

describe("a secret on the command line", () => {
  test.each([
    ["serve", ["--access-token", CANARY], "--access-token-file or TUNNEL_ACCESS_TOKEN_FILE"],
    ["serve", [`--database=mysql://u:${CANARY}@h/d`], "--database-file or DATABASE_URL_FILE"],
    ["agent", [...AGENT, `--access-token=${CANARY}`], "--access-token-file or TUNNEL_ACCESS_TOKEN_FILE"],
    ["agent", [...AGENT, "--access", `basic:me:${"0".repeat(64)}`], "--access-file or CULVERT_ACCESS_FILE"],
    ["agent", [...AGENT, "--header", `X-Key: ${CANARY}`], "--header-file or CULVERT_HEADER_FILE"],
  ] as const)("is told of with what to use instead: %s %j", (command, args, instead) => {
    const [line, ...more] = exposedSecrets(command, args, {});
    expect(line).toMatch(/^--[a-z-]+ shows its secret in the process list: use /);
    expect(line).toContain(instead);
    expect(line).not.toContain(CANARY);
    expect(more).toEqual([]);
  });

  test.each([
    ["serve", ["--database", "sqlite:./x.db", "--access-token-file", "x"]],
    ["serve", ["--database", "mysql://u@h/d"]],
    ["agent", [...AGENT, "--access", "public", "--header", "Accept: text/html"]],
  ] as const)("is not seen where there is none: %s %j", (command, args) => {
    expect(exposedSecrets(command, args, {})).toEqual([]);
  });

  test("is every setting that takes one", () => {
    const settings = [...settingsOf("serve"), ...settingsOf("agent")];
    const flags = settings.map(({ flag }) => flag);
    const takers = settings.filter(({ placeholder }) => /token|password|secret|invite/i.test(placeholder));
    const others = ["database", "access", "header"];
    for (const flag of [...takers.map(({ flag }) => flag), ...others])
      expect(flags).toContain(`${flag}-file`);
  });
});
