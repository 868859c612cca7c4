import type { ServerLimits } from "../limits.ts";
import type { RegisterAgain } from "../registry/credentials.ts";

/** What a person set of it, and may set anew while it runs. */
export const SERVER_SETTINGS = [
  "corsOrigins",
  "domain",
  "hostnames",
  "pathRouting",
  "queryTokens",
  "registerAgain",
  "trustedProxies",
  "docsUrl",
  "limits",
] as const satisfies readonly (keyof ServerConfig)[];

export type ServerSettings = Pick<ServerConfig, (typeof SERVER_SETTINGS)[number]>;

/** What a server is made with. */
export type ServerConfig = {
  /** Name of this process in the registry, unique among the nodes that share it, at most 64 characters. */
  readonly node: string;
  /** Where other nodes reach this one, and where agents do, each at most `URL_LENGTH_MAX` characters of ASCII; null nowhere. */
  readonly peerUrl: string | null;
  readonly publicUrl: string | null;
  /** From `idBaseFrom`. */
  readonly idBase: number;
  /** The operator's token, which registers client ids; those that are registered as `registerAgain` says. */
  readonly accessToken: string;
  readonly registerAgain: RegisterAgain;
  /** Origins that may read responses across sites; null lets any. */
  readonly corsOrigins: readonly string[] | null;
  /** Names below this one are homes: `CLIENT-ID.DOMAIN`, lower case, without a trailing dot. Null routes nothing by host. */
  readonly domain: string | null;
  /** Further names of homes, each with its client id: lower case, without a trailing dot, whatever the domain is. */
  readonly hostnames: Readonly<Record<string, string>>;
  /** Whether `/t/CLIENT-ID/...` leads to a home. */
  readonly pathRouting: boolean;
  /** Whether a token in a query string is taken where MoosicBox's endpoints have it there. */
  readonly queryTokens: boolean;
  /** Addresses and CIDR blocks of proxies whose forwarding headers are taken over. */
  readonly trustedProxies: readonly string[];
  /** Where errors lead people: the page that has an anchor for each code. Null leads them nowhere. */
  readonly docsUrl: string | null;
  /** Identifies the build in `/health`. */
  readonly build: string;
  readonly limits: ServerLimits;
  /** SHA-256 of the UTF-8 text, as lower-case hex. */
  readonly sha256: (text: string) => string;
  /** HMAC-SHA-256 of the UTF-8 text as lower-case hex, with a key that nodes share which have the same access token. */
  readonly sign: (text: string) => string;
  /** The same with each secret of the cluster: the first signs, each is good. Empty where no other node is asked anything. */
  readonly peerHmacs: readonly ((text: string) => string)[];
  /** Wall-clock time at 0 of `nowMs`, in milliseconds since 1970. */
  readonly epochMs: number;
};
