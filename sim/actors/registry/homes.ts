/** What the fake registry remembers of homes past their tunnels. */
import type { RecalledHome } from "../../../core/registry.ts";

type HomeEntry = { readonly access: string; readonly fence: number; readonly seenUs: number };

export class HomeTable {
  readonly #homes = new Map<string, HomeEntry>();
  /** Each home before it was last remembered, for stale reads; null where it was not there. */
  readonly #previous = new Map<string, HomeEntry | null>();
  readonly #nowUs: () => number;

  constructor(nowUs: () => number) {
    this.#nowUs = nowUs;
  }

  remember(clientId: string, access: string, fence: number): void {
    const home = this.#homes.get(clientId);
    if (home !== undefined && home.fence > fence) return;
    this.#previous.set(clientId, home ?? null);
    this.#homes.set(clientId, { access, fence, seenUs: this.#nowUs() });
  }

  /** It is there, or was until now. */
  see(clientId: string): void {
    const home = this.#homes.get(clientId);
    if (home !== undefined) this.#homes.set(clientId, { ...home, seenUs: this.#nowUs() });
  }

  forget(clientId: string): void {
    this.#homes.delete(clientId);
    this.#previous.delete(clientId);
  }

  recall(clientId: string, isStale: boolean): RecalledHome | null {
    const now = this.#homes.get(clientId) ?? null;
    const home = isStale ? (this.#previous.get(clientId) ?? null) : now;
    if (home === null) return null;
    // Its clock may have been set back.
    return { access: home.access, seenAgoMs: Math.max(0, Math.round((this.#nowUs() - home.seenUs) / 1_000)) };
  }
}
