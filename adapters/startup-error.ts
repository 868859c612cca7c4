/**
 * Something that keeps the process from starting or from going on, told in one line that a person can act on. The command
 * line prints the message without a stack, so it must never quote a value that may be a secret.
 */
export class StartupError extends Error {
  override readonly name = "StartupError";
  readonly exitCode: number;

  constructor(message: string, { exitCode = 1, ...options }: ErrorOptions & { exitCode?: number } = {}) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
