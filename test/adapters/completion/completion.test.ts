/** The shells themselves say what they would offer at a Tab. */
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { completionOf } from "../../../adapters/completion/completion.ts";
import type { Shell } from "../../../adapters/completion/grammar.ts";
import { settingsOf } from "../../../adapters/settings/settings.ts";
import { temporaryFolder } from "../../helpers/tunnel.ts";

function script(shell: Shell): string {
  const file = join(temporaryFolder(), shell);
  writeFileSync(file, completionOf([shell]));
  return file;
}

function isInstalled(shell: Shell): boolean {
  return spawnSync(shell, ["-c", "true"]).status === 0;
}

/** `words` as bash takes a line apart: `=` is one of its own. The last is what stands before the cursor. */
function offeredByBash(...words: readonly string[]): string[] {
  const place = 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }';
  const line = `source "$FILE"; ${place}; complete -p culvert >/dev/null && _culvert && printf '%s\\n' "\${COMPREPLY[@]}"`;
  const output = execFileSync("bash", ["-euc", line, "bash", "culvert", ...words], {
    env: { PATH: process.env.PATH ?? "", FILE: script("bash") },
    encoding: "utf8",
  });
  return output.split("\n").filter((word) => word !== "");
}

describe("bash", () => {
  test("is offered the commands, and the second words of those that have two", () => {
    expect(offeredByBash("")).toEqual(
      expect.arrayContaining(["serve", "agent", "token", "completion", "help"]),
    );
    expect(offeredByBash("ser")).toEqual(["serve"]);
    expect(offeredByBash("token", "")).toEqual(["create", "list", "revoke"]);
    expect(offeredByBash("completion", "f")).toEqual(["fish"]);
  });

  test.each(["serve", "agent"] as const)("is offered every flag of %s", (command) => {
    const flags = settingsOf(command).map(({ flag }) => `--${flag}`);
    expect(offeredByBash(command, "--")).toEqual([...flags, "--help", "--help-limits"]);
  });

  test("is offered the flags of a command of two words", () => {
    expect(offeredByBash("token", "create", "--ex")).toEqual(["--expires"]);
  });

  test.each([
    ["behind a space", ["serve", "--log-level", "w"]],
    ["behind an equals sign", ["serve", "--log-level", "=", "w"]],
  ])("is offered the values of a flag %s", (_where, words) => {
    expect(offeredByBash(...words)).toEqual(["warn"]);
  });

  test("is offered all values right behind the equals sign", () => {
    expect(offeredByBash("serve", "--log-format", "=")).toEqual(["text", "json"]);
  });

  test("is offered limits, files, and nothing for a value that it cannot know", () => {
    expect(offeredByBash("serve", "--limit", "drain")).toEqual(["drainMs="]);
    expect(offeredByBash("serve", "--access-token-file", "packag")).toEqual(
      expect.arrayContaining(["package.json", "package-lock.json"]),
    );
    expect(offeredByBash("serve", "--domain", "")).toEqual([]);
  });
});

describe.skipIf(!isInstalled("fish"))("fish", () => {
  const offered = (line: string): string[] => {
    const command = "source $argv[1]; complete -C $argv[2]";
    const output = execFileSync("fish", ["--no-config", "-c", command, script("fish"), line], {
      env: { PATH: process.env.PATH ?? "", HOME: temporaryFolder() },
      encoding: "utf8",
    });
    return output.split("\n").flatMap((word) => word.split("\t")[0] || []);
  };

  test.each([
    ["culvert ser", ["serve"]],
    ["culvert token r", ["revoke"]],
    ["culvert serve --log-", ["--log-format", "--log-level"]],
    ["culvert serve --log-level w", ["warn"]],
    ["culvert agent --path", []],
  ])("is offered for %s: %j", (line, words) => {
    expect(offered(line).toSorted()).toEqual(words);
  });
});

describe.skipIf(!isInstalled("zsh"))("zsh", () => {
  /** On a terminal, where it completes: `seen` is what comes to stand there. */
  const complete = (line: string, seen: string): void => {
    const folder = temporaryFolder();
    const commands = [
      "zmodload zsh/zpty; zpty shell zsh -fi",
      `zpty -w shell "PS1=; autoload -U compinit; compinit -u -d ${folder}/dump; source $1; echo rea''dy"`,
      "zpty -r shell out '*ready*'",
      "zpty -n -w shell \"$2\"$'\\t'",
      'zpty -r shell out "*$3*"',
    ];
    execFileSync("zsh", ["-efc", commands.join("\n"), "zsh", script("zsh"), line, seen], {
      env: { PATH: process.env.PATH ?? "", HOME: folder, TERM: "dumb" },
      timeout: 60_000,
    });
  };

  test.each([
    ["culvert ser", "ve"],
    ["culvert token rev", "oke"],
    ["culvert serve --log-l", "evel="],
    ["culvert serve --log-level=w", "warn"],
    ["culvert serve --limit=drain", "drainMs="],
  ])("goes on from %s with %s", (line, seen) => {
    complete(line, seen);
  });
});

test("names the nearest shell for one that there is not", () => {
  expect(() => completionOf(["bsh"])).toThrow("completion takes bash, zsh or fish; did you mean bash?");
  expect(() => completionOf([])).toThrow("completion takes bash, zsh or fish");
});
