/** What is unusual about a home's answer, each under a name that a scenario lists. */

/** Headers that must not confuse anybody, and a body where none belongs. */
export const HARMLESS_ANSWERS = [
  "etag",
  "weak_etag",
  "vary",
  "no_transform",
  "digest",
  "hop_headers",
  "cors_of_its_own",
  "wide_header",
  "list_header",
  "length_twice",
  "body_for_nobody",
  /** It names places of its own by the host that it is told. */
  "names_itself",
  /** It asks for a login, or goes on with one, that its connection has from then on. */
  "binds_login",
  "lone_lf",
] as const;

/** What no agent can carry, or only in part. */
export const MALFORMED_ANSWERS = [
  "bad_length",
  "two_lengths",
  "bad_header",
  "two_cookies",
  "long_header",
  "huge_header",
  "bad_status",
  "ends_early",
  "ends_late",
  /** Bytes that nobody asked for come behind it: at once, or some milliseconds later. */
  "surplus",
  "late_bytes",
  "no_http",
  /** Its head is longer than anybody takes. */
  "endless_header",
  "length_in_trailers",
  /** Chunks end before the last of them, or are longer than they say. */
  "chunks_cut",
  "chunks_lie",
  /** A length is declared, and there are chunks. */
  "framed_twice",
  /** 101 to who asked for no upgrade. */
  "switches_unasked",
  /** The connection ends where it should begin. */
  "hangs_up",
] as const;

/** Of those, what hits whoever has the connection next. */
export const BESIDE_ANSWERS = ["surplus", "late_bytes", "hangs_up"] as const satisfies readonly AnswerQuirk[];

/** 101 to who asked for a WebSocket, for something else, or without having read the handshake. */
export const MISREADS_HANDSHAKE = "misreads_handshake";

export type AnswerQuirk =
  | (typeof HARMLESS_ANSWERS)[number]
  | (typeof MALFORMED_ANSWERS)[number]
  | typeof MISREADS_HANDSHAKE;

/** Whether what the visitor gets of it depends on who carries it. */
export function isMalformed(quirks: readonly AnswerQuirk[]): boolean {
  return quirks.some(
    (quirk) => quirk === MISREADS_HANDSHAKE || (MALFORMED_ANSWERS as readonly AnswerQuirk[]).includes(quirk),
  );
}

/** Headers that the home sends besides those of the model. `length` is what it declares, null for nothing. */
export function extraHeaders(
  quirks: readonly AnswerQuirk[],
  length: string | null = null,
): readonly string[] {
  const again = length !== null && quirks.includes("length_twice") ? ["content-length", length] : [];
  return [...quirks.flatMap((quirk) => EXTRA_HEADERS[quirk] ?? []), ...again];
}

/** Headers of `names_itself` from a service that is told that host. */
export function ownPlaces(host: string): readonly string[] {
  const [name = ""] = host.split(":");
  const place = `http://${host}${OWN_PATH}`;
  return [
    ...[
      "Location",
      place,
      "Content-Location",
      place,
      "Link",
      `<${place}>; rel=next, <//${host}${OWN_PATH}>; title="a, <b>"; rel=prev, <${OWN_PATH}>; rel=up`,
      "Refresh",
      `9; url=${place}`,
    ],
    ...["Set-Cookie", `named=1; Domain=${name}; Path=/`],
  ];
}

export const OWN_PATH = "/named/by/itself";

const LONG_HEADER_CHARACTERS = 1_500;
const HUGE_HEADER_CHARACTERS = 20_000;
const ENDLESS_HEADER_CHARACTERS = 70_000;

const EXTRA_HEADERS: Readonly<Partial<Record<AnswerQuirk, readonly string[]>>> = {
  binds_login: ["WWW-Authenticate", 'Basic realm="a, b", Negotiate oYG3'],
  etag: ["etag", '"v1"'],
  weak_etag: ["etag", 'W/"v1"'],
  vary: ["vary", "Accept-Encoding, Cookie"],
  no_transform: ["cache-control", "max-age=60, no-transform"],
  digest: ["content-digest", "sha-256=:AAAA:"],
  hop_headers: ["connection", "x-hop, content-type, close", "x-hop", "1", "keep-alive", "timeout=5"],
  cors_of_its_own: ["access-control-allow-origin", "*"],
  wide_header: ["x-title", "caf\u00e9"],
  bad_length: ["content-length", "12x"],
  two_lengths: ["content-length", "7", "content-length", "8"],
  bad_header: ["x-bad", "line\nbreak"],
  two_cookies: ["set-cookie", "a=1", "set-cookie", "b=2"],
  list_header: ["x-list", "a", "x-list", "b"],
  long_header: ["x-long", "l".repeat(LONG_HEADER_CHARACTERS)],
  endless_header: ["x-endless", "e".repeat(ENDLESS_HEADER_CHARACTERS)],
  huge_header: ["x-huge", "h".repeat(HUGE_HEADER_CHARACTERS)],
};
