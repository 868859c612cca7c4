/** What fish looks up when somebody presses Tab behind `culvert`. */
import { type TypedCommand, type TypedFlag, wordsAfter } from "./grammar.ts";

export function fishCompletion(commands: readonly TypedCommand[]): string {
  const firsts = wordsAfter(commands, []);
  const lines = [`complete -c culvert -f -n __fish_use_subcommand -a '${firsts.join(" ")}'`];
  for (const first of firsts) {
    const seconds = wordsAfter(commands, [first]);
    if (seconds.length === 0) continue;
    const condition = `${seen([first])}; and not __fish_seen_subcommand_from ${seconds.join(" ")}`;
    lines.push(`complete -c culvert -f -n '${condition}' -a '${seconds.join(" ")}'`);
  }
  for (const { words, flags } of commands) {
    for (const flag of flags) lines.push(`complete -c culvert -n '${seen(words)}' ${optionOf(flag)}`);
  }
  return `# Completion of culvert for fish: culvert completion fish | source\n${lines.join("\n")}\n`;
}

function seen(words: readonly string[]): string {
  return words.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ");
}

function optionOf({ name, help, placeholder, choices, isFile }: TypedFlag): string {
  const option = `-l ${name} -d '${help.replace(/['\\]/g, "\\$&")}'`;
  if (placeholder === null) return `-f ${option}`;
  if (isFile) return `-r -F ${option}`;
  return choices.length === 0 ? `-x ${option}` : `-x -a '${choices.join(" ")}' ${option}`;
}
