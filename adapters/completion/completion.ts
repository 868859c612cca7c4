/** `culvert completion SHELL`: the script for it, made from the tables that the flags are read by. */
import { unreachable } from "../../core/assert.ts";
import { suggestion } from "../../core/text/nearest.ts";
import { StartupError } from "../startup-error.ts";
import { bashCompletion } from "./bash.ts";
import { fishCompletion } from "./fish.ts";
import { SHELLS, typedCommands } from "./grammar.ts";
import { zshCompletion } from "./zsh.ts";

/** Throws `StartupError` for anything but the name of one shell. */
export function completionOf(words: readonly string[]): string {
  const [name = "", ...more] = words;
  const shell = SHELLS.find((each) => each === name);
  if (shell === undefined || more.length > 0) {
    throw new StartupError(`completion takes bash, zsh or fish${suggestion(name, SHELLS)}`);
  }
  const commands = typedCommands();
  switch (shell) {
    case "bash":
      return bashCompletion(commands);
    case "zsh":
      return zshCompletion(commands);
    case "fish":
      return fishCompletion(commands);
    default:
      return unreachable(shell);
  }
}
