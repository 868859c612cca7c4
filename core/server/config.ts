import type { ServerLimits } from "../limits.ts";

/** What a server is made with. */
export type ServerConfig = {
  /** Name of this process in the registry, unique among the nodes that share it, at most 64 characters. */
  readonly node: string;
  /** From `idBaseFrom`. */
  readonly idBase: number;
  /** The operator's token, which registers client ids. */
  readonly accessToken: string;
  /** Origins that may read responses across sites; null lets any. */
  readonly corsOrigins: readonly string[] | null;
  /** Identifies the build in `/health`. */
  readonly build: string;
  readonly limits: ServerLimits;
  /** SHA-256 of the UTF-8 text, as lower-case hex. */
  readonly sha256: (text: string) => string;
};
