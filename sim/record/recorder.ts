/** What a run tells whoever records it. Nobody listens unless asked to, and listening changes nothing. */
export type Recorder = {
  /** A fact in words: faults, visits, results. `who` is a place or a kind of fact. */
  readonly line: (nowUs: number, who: string, text: string) => void;
  readonly event: (nowUs: number, step: number, process: string, event: object) => void;
  /** Ordered by the step whose event was told last. */
  readonly effect: (nowUs: number, process: string, effect: object) => void;
  /** A process runs from now on; a server's wire ids begin at `idBase`. */
  readonly started: (nowUs: number, process: string, idBase: number | null) => void;
  readonly ended: (nowUs: number, process: string) => void;
  /**
   * A message leaves one place for another; `to` is empty where only the arrival tells. The object is the message's
   * identity: what is sent twice may arrive twice.
   */
  readonly sent: (nowUs: number, from: string, to: string, message: object) => void;
  /** Told before the receiver hears of it; never, where the message is lost. */
  readonly arrived: (nowUs: number, message: object, at?: string) => void;
};
