/** What can be typed behind `culvert`, as the completion of every shell needs it. */
import { helpPages, typedSettings } from "../help.ts";
import type { Setting } from "../settings/reading/setting.ts";
import { limitsOf } from "../settings/settings.ts";

export type TypedCommand = {
  /** One word or two. */
  readonly words: readonly string[];
  readonly flags: readonly TypedFlag[];
};

export type TypedFlag = {
  readonly name: string;
  readonly help: string;
  /** What stands for its value, none for a flag without one. */
  readonly placeholder: string | null;
  /** Values to choose from; a `NAME=` is to be gone on with. */
  readonly choices: readonly string[];
  readonly isFile: boolean;
  readonly repeatable: boolean;
};

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** Each command with its flags, and with those that only print help. */
export function typedCommands(): readonly TypedCommand[] {
  const commands = [...typedSettings()].map(([name, settings]) => {
    const limits = limitsNamed(name);
    const flags = [
      ...settings.map((setting) => flagOf(setting, limits)),
      printing("help", "prints all flags"),
    ];
    if (limits.length > 0) flags.push(printing("help-limits", "prints the limits that --limit changes"));
    return { words: name.split(" "), flags };
  });
  const pages = [...new Set([...helpPages().keys()].map((page) => page.split(" ")[0] ?? ""))];
  return [
    ...commands,
    ...pages.map((page) => ({ words: ["help", page], flags: [] })),
    ...SHELLS.map((shell) => ({ words: ["completion", shell], flags: [] })),
    { words: ["version"], flags: [] },
  ];
}

/** The words that may follow these, each once. */
export function wordsAfter(commands: readonly TypedCommand[], before: readonly string[]): string[] {
  const following = commands
    .filter(({ words }) => before.every((word, index) => words[index] === word))
    .flatMap(({ words }) => words[before.length] ?? []);
  return [...new Set(following)];
}

function limitsNamed(command: string): readonly string[] {
  return command === "serve" || command === "agent" ? Object.keys(limitsOf(command)) : [];
}

function flagOf(
  { flag, help, placeholder, choices, repeatable }: Setting,
  limits: readonly string[],
): TypedFlag {
  const values = flag === "limit" ? limits.map((name) => `${name}=`) : (choices ?? []);
  return {
    name: flag,
    help,
    placeholder,
    choices: values,
    isFile: placeholder === "FILE",
    repeatable: repeatable === true,
  };
}

function printing(name: string, help: string): TypedFlag {
  return { name, help, placeholder: null, choices: [], isFile: false, repeatable: false };
}
