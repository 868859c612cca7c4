/**
 * What keeps the agent from its server, in words for a person: what happened, what to do next, and whether waiting can heal it.
 * Each cause is a warning at first and then whenever it has come twice as often, so that a server that is away for a night makes
 * a dozen lines.
 */
import type { ConnectFault, ConnectFaultKind } from "../../events.ts";
import { isToldAloud } from "../../report.ts";
import { parseJson } from "../../wire/json.ts";
import type { AgentState } from "../state.ts";

export type Hint = {
  readonly next: string | null;
  readonly detail: string | null;
  /** Whether another report has told of it. */
  readonly isTold: boolean;
  /** For so long the server wants to be left alone; 0 where it has not said so. */
  readonly afterMs: number;
};

export type Trouble = Hint & {
  readonly cause: string;
  /** One that answers is up and soon well again, one that is silent may be gone long. */
  readonly server: "answers" | "silent";
  /** Whether it stays until a person changes something. */
  readonly isLasting: boolean;
};

export const NO_HINT: Hint = { next: null, detail: null, isTold: false, afterMs: 0 };

/** What waiting heals, of which there is nothing more to say. */
export const PLAIN = { ...NO_HINT, isLasting: false };

export const SILENT: Hint = {
  ...NO_HINT,
  next: "see whether the server runs, and check host and port of --server; a firewall on the way may drop what goes there",
};

type Row = {
  readonly cause: string;
  readonly next: string | null;
  readonly isLasting?: boolean;
};

const FAULTS: { readonly [Kind in ConnectFaultKind]: Row } = {
  name_unknown: {
    cause: "the server's name cannot be resolved",
    next: "check the host of --server, and this machine's network and DNS",
  },
  refused: {
    cause: "nothing takes connections at the server's port",
    next: "see whether the server runs, and check host and port of --server",
  },
  unreachable: {
    cause: "there is no way to the server's network",
    next: "check this machine's network, and the host of --server",
  },
  silent: { cause: "the server did not answer in time", next: SILENT.next },
  closed: {
    cause: "the connection was closed before the server answered",
    next: "if that port speaks TLS, begin --server with https://; else see the server's log",
  },
  closed_in_tls: {
    cause: "the connection was closed inside the TLS handshake",
    next: "if that port speaks plain HTTP, begin --server with http://; else see the log of what speaks TLS there",
  },
  cut: { cause: "the connection was cut before the server's answer was complete", next: null },
  not_tls: {
    cause: "the server's port does not speak TLS",
    next: "begin --server with http://, or give the port that speaks TLS, most often 443",
    isLasting: true,
  },
  tls_there: {
    cause: "the server's port speaks TLS, and was spoken to without it",
    next: "begin --server with https://",
    isLasting: true,
  },
  tls_failed: {
    cause: "the TLS handshake with the server failed",
    next: "check the host of --server, for which that server may have no certificate",
  },
  certificate_untrusted: {
    cause: "the server's certificate comes from nobody whom this machine trusts; it may be self-signed",
    next: "give that certificate, or its authority's, with --server-ca FILE",
    isLasting: true,
  },
  // A machine without a clock of its own starts in the past, and learns the time soon.
  certificate_early: {
    cause: "the server's certificate is not valid yet",
    next: "set the clock of this machine, which is most likely behind",
  },
  certificate_expired: {
    cause: "the server's certificate has expired",
    next: "renew it at the server; if it is still good, the clock of this machine is ahead",
    isLasting: true,
  },
  certificate_name: {
    cause: "the server's certificate is for another name",
    next: "give in --server a name that the certificate has",
    isLasting: true,
  },
  certificate_refused: {
    cause: "the server's certificate is not good",
    next: "give the server another one",
    isLasting: true,
  },
  not_http: {
    cause: "what answers at the server's port does not speak HTTP",
    next: "check host and port of --server",
    isLasting: true,
  },
  handshake_broken: {
    cause: "the answer to the WebSocket handshake is none",
    next: "see that what stands before the server passes on Upgrade, Connection and Sec-WebSocket-* as they are",
  },
  proxy_name_unknown: {
    cause: "the name of the proxy cannot be resolved",
    next: "check --proxy or HTTPS_PROXY, and this machine's network and DNS",
  },
  proxy_refused: {
    cause: "nothing takes connections at the proxy's port",
    next: "see whether the proxy runs, and check --proxy or HTTPS_PROXY; NO_PROXY names what is reached without it",
  },
  proxy_unreachable: {
    cause: "the connection to the proxy failed",
    next: "see whether the proxy runs, and check --proxy or HTTPS_PROXY, its scheme too",
  },
  proxy_login: {
    cause: "the proxy wants a user name and password, or others than it was given",
    next: "give them with --proxy-file, whose file holds http://USER:PASSWORD@HOST:PORT",
    isLasting: true,
  },
  proxy_denied: {
    cause: "the proxy does not let this machine go to the server",
    next: "ask who runs the proxy to allow CONNECT to the host and port of --server",
    isLasting: true,
  },
  proxy_failed: {
    cause: "the proxy does not reach the server",
    next: "see whether the server runs, and check host and port of --server",
  },
  other: { cause: "the server could not be reached", next: "check host and port of --server" },
};

export function troubleOf({ kind, detail }: ConnectFault): Trouble {
  const { cause, next, isLasting = false } = FAULTS[kind];
  return { ...NO_HINT, cause, next, detail: detail === "" ? null : detail, server: "silent", isLasting };
}

/**
 * What an answer tells that is not Culvert's own: an end in itself, or something that stands in front of the server. Null for
 * what a server of ours or of MoosicBox may say, whose words are looked at one by one. `reason` is what it says of itself.
 */
export function answerTrouble(status: number, body: string, reason: string | null): Trouble | null {
  if (isOwnProblem(body) || status === 401) return null;
  const base = { ...NO_HINT, server: "answers", isLasting: true } as const;
  const answered = `answered ${status}${reason === null ? "" : `: ${reason}`}`;
  if (status === 400 && TLS_WANTED.test(body)) return { ...base, ...FAULTS.tls_there };
  if (status >= 300 && status < 400) {
    return {
      ...base,
      cause: `the server's address leads elsewhere: it ${answered}`,
      next: "give in --server the address that it leads to, most often the same with https://",
    };
  }
  if (status === 407) return { ...base, ...FAULTS.proxy_login };
  if (status >= 500 || PASSING.has(status)) {
    return {
      ...base,
      isLasting: false,
      cause: `what stands in front of the server ${answered}`,
      next: "see whether the server runs behind it, and whether it lets this machine in",
    };
  }
  return {
    ...base,
    cause: `what answers at the server's address is no Culvert server: it ${answered}`,
    next: "check host, port and path of --server; agents use the port of visitors (--port of culvert serve), not the admin port",
  };
}

/** One line for the end of the agent. */
export function failureText({ cause, next, detail }: Trouble): string {
  return `${cause}${next === null ? "" : `: ${next}`}${detail === null ? "" : ` (${detail})`}`;
}

/** Counts the cause, and says how loudly it is to be told. */
export function levelOf({ troubles }: AgentState, cause: string): "warn" | "debug" {
  const count = (troubles.get(cause) ?? 0) + 1;
  // A server that has new words each time is told each time, as before.
  if (count === 1 && troubles.size >= TROUBLES_MAX) troubles.clear();
  troubles.set(cause, count);
  return isToldAloud(count) ? "warn" : "debug";
}

const TROUBLES_MAX = 32;

/** A problem document (RFC 9457) with the member by which ours are known. */
function isOwnProblem(body: string): boolean {
  const problem = parseJson(body);
  if (typeof problem !== "object" || problem === null) return false;
  return "code" in problem && typeof problem.code === "string" && "title" in problem;
}

/** Said of a moment, by proxies and firewalls: RFC 9110 section 15.5, RFC 6585, RFC 8470. */
const PASSING: ReadonlySet<number> = new Set([403, 408, 425, 429]);

/** Of nginx, Apache, Go, and what is built with it. */
const TLS_WANTED =
  /plain HTTP request was sent to HTTPS port|HTTP request to an HTTPS server|speaking plain HTTP to an SSL/i;
