/** What is worth telling of an error that a library or the system threw. */

/** The code, such as `ECONNREFUSED`; empty where there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/**
 * A network error in words fit for a log: Node's messages name host, port and cause, never a path, query or header.
 * Where several addresses were tried there is no message, and only the code is left.
 */
export function causeOf(error: unknown): string {
  return (error instanceof Error && error.message) || codeOf(error) || "unknown error";
}
