/** What bash runs when somebody presses Tab behind `culvert`. It has words only, and no room for what they mean. */
import { type TypedCommand, type TypedFlag, wordsAfter } from "./grammar.ts";

export function bashCompletion(commands: readonly TypedCommand[]): string {
  const pairs = commands.filter(({ words }) => words.length > 1).map(({ words: [first = ""] }) => first);
  return `# Completion of culvert for bash: source <(culvert completion bash)
_culvert() {
  local word="\${COMP_WORDS[COMP_CWORD]}" flag="\${COMP_WORDS[COMP_CWORD - 1]}" command="\${COMP_WORDS[1]}" words=""
  # bash takes --flag=value apart at the equals sign, and NAME=VALUE too.
  if [[ $word == "=" ]]; then word=""; elif [[ $flag == "=" ]]; then flag="\${COMP_WORDS[COMP_CWORD - 2]}"; fi
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "${wordsAfter(commands, []).join(" ")}" -- "$word")
    return
  fi
  case "$command" in
    ${[...new Set(pairs)].join("|")})
      if ((COMP_CWORD > 2)); then
        command="$command \${COMP_WORDS[2]}"
      else
        case "$command" in
${[...new Set(pairs)].map((first) => `          ${first}) words="${wordsAfter(commands, [first]).join(" ")}" ;;`).join("\n")}
        esac
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        return
      fi
      ;;
  esac
  case "$command $flag" in
${commands.flatMap(({ words, flags }) => flags.flatMap((flag) => valueCase(words.join(" "), flag))).join("\n")}
  esac
  case "$command" in
${commands
  .filter(({ flags }) => flags.length > 0)
  .map(flagsCase)
  .join("\n")}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _culvert culvert
`;
}

function valueCase(command: string, flag: TypedFlag): string[] {
  const { name, placeholder, choices, isFile } = flag;
  if (placeholder === null) return [];
  const label = `    "${command} --${name}")`;
  if (isFile) {
    return [`${label} compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;`];
  }
  if (choices.length === 0) return [`${label} return ;;`];
  const goesOn = choices.some((choice) => choice.endsWith("=")) ? "compopt -o nospace; " : "";
  const reply = `mapfile -t COMPREPLY < <(compgen -W "${choices.join(" ")}" -- "$word")`;
  return [`${label} ${goesOn}${reply}; return ;;`];
}

function flagsCase({ words, flags }: TypedCommand): string {
  return `    "${words.join(" ")}") words="${flags.map(({ name }) => `--${name}`).join(" ")}" ;;`;
}
