/** Questions of a proxy in front whether a name may get a certificate: they go to the core as events, and wait for its answer. */
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import { IdTable } from "../../core/id-table.ts";
import type { CertificateId } from "../../core/ids.ts";

type Answer = Extract<ServerEffect, { readonly type: "certificate_answer" }>;

export class CertificateQuestions {
  readonly #dispatch: (event: ServerEvent) => void;
  readonly #waiting = new IdTable<CertificateId, (answer: Answer["answer"]) => void>();
  #asked = 0;

  constructor(dispatch: (event: ServerEvent) => void) {
    this.#dispatch = dispatch;
  }

  ask(name: string): Promise<Answer["answer"]> {
    const question = ++this.#asked as CertificateId;
    return new Promise((resolve) => {
      this.#waiting.set(question, resolve);
      this.#dispatch({ type: "certificate_asked", question, name });
    });
  }

  perform({ question, answer }: Answer): void {
    this.#waiting.get(question)?.(answer);
    this.#waiting.delete(question);
  }
}
