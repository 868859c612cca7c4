/** What zsh runs when somebody presses Tab behind `culvert`. */
import { type TypedCommand, type TypedFlag, wordsAfter } from "./grammar.ts";

export function zshCompletion(commands: readonly TypedCommand[]): string {
  const firsts = wordsAfter(commands, []);
  return `#compdef culvert
# Completion of culvert for zsh: source <(culvert completion zsh), behind compinit
_culvert() {
  if ((CURRENT == 2)); then
    compadd -- ${firsts.join(" ")}
    return
  fi
  local command=\${words[2]}
  shift words
  ((CURRENT--))
  case $command in
${firsts.map((first) => firstCase(commands, first)).join("\n")}
  esac
}
if [[ $funcstack[1] == _culvert ]]; then _culvert "$@"; else compdef _culvert culvert; fi
`;
}

function firstCase(commands: readonly TypedCommand[], first: string): string {
  const seconds = wordsAfter(commands, [first]);
  if (seconds.length === 0) return `    ${first})${argumentsOf(commands, [first], "      ")} ;;`;
  return `    ${first})
      if ((CURRENT == 2)); then
        compadd -- ${seconds.join(" ")}
        return
      fi
      command=\${words[2]}
      shift words
      ((CURRENT--))
      case $command in
${seconds.map((second) => `        ${second})${argumentsOf(commands, [first, second], "          ")} ;;`).join("\n")}
      esac
      ;;`;
}

function argumentsOf(commands: readonly TypedCommand[], words: readonly string[], indent: string): string {
  const flags = commands.find((command) => command.words.join(" ") === words.join(" "))?.flags ?? [];
  if (flags.length === 0) return "";
  return ["", "_arguments", ...flags.map(specOf)]
    .map((line, index) => (index < 2 ? line : `  ${line}`))
    .join(` \\\n${indent}`)
    .replace(" \\\n", "\n");
}

/** As `_arguments` of zshcompsys(1) takes it: `*--flag=[help]:value:(a b)`. */
function specOf({ name, help, placeholder, choices, isFile, repeatable }: TypedFlag): string {
  const text = escaped(help);
  if (placeholder === null) return `'--${name}[${text}]'`;
  const goesOn = choices.some((choice) => choice.endsWith("="));
  const words = choices.map(escaped).join(" ");
  const action = isFile
    ? "_files"
    : goesOn
      ? `{ compadd -S "" -- ${words} }`
      : words === ""
        ? ""
        : `(${words})`;
  return `'${repeatable ? "*" : ""}--${name}=[${text}]:${escaped(placeholder)}:${action}'`;
}

function escaped(text: string): string {
  return text.replace(/[[\]:\\]/g, "\\$&").replaceAll("'", "'\\''");
}
