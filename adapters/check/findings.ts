/** What `culvert check` found: plain lines for a person, and whether anything keeps the program from its work. */

export type Finding = {
  /** A problem keeps it from working; a note is for who did not mean it so. */
  readonly kind: "ok" | "note" | "problem";
  readonly text: string;
};

export function findingText({ kind, text }: Finding): string {
  return `${kind.padEnd("problem".length)}  ${text}`;
}

export function ok(text: string): Finding {
  return { kind: "ok", text };
}

export function note(text: string): Finding {
  return { kind: "note", text };
}

export function problem(text: string): Finding {
  return { kind: "problem", text };
}
