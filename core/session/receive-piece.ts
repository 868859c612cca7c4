/** The pieces of bodies and their heads, from the other side: checks their form, their number, their place and their credit. */
import type { HeaderList } from "../http/headers.ts";
import { FLAG, FRAME_HEADER_BYTES, PIECE_BODY_BYTES_MAX, readU32 } from "../wire/native.ts";
import { decodeHeaderList, decodeRequestHead, decodeResponseHead } from "../wire/native-head.ts";
import { acknowledgePiece, takeBody } from "./credit.ts";
import { isUnopened, NOTHING, type Received, violation } from "./received.ts";
import type { Session, Stream } from "./state.ts";
import { createStream, endReceive, HALF_OF_NUMBERS, settleStream } from "./stream.ts";

/** A frame cut into its sections. */
type Piece = {
  readonly head: Uint8Array | null;
  readonly interim: boolean;
  readonly last: boolean;
  readonly trailers: Uint8Array | null;
  readonly body: Uint8Array;
};

export function receivePiece(
  session: Session,
  bytes: Uint8Array,
  exchange: number,
  number: number,
): Received {
  const piece = cutPiece(session, bytes);
  if (typeof piece === "string") return violation(piece);
  const stream = session.streams.get(exchange);
  if (stream === undefined) return receiveUnknown(session, piece, exchange, number);
  if (stream.phase === "reset") return NOTHING;
  if (isUnopened(session, stream)) return violation("a piece is about an exchange that was not opened");
  const { receive } = stream;
  const ahead = (number - receive.received) >>> 0;
  if (ahead >= HALF_OF_NUMBERS) {
    session.counters.duplicates++;
    return NOTHING;
  }
  if (ahead > 0) return violation("a number is missing");
  stream.heard = true;
  receive.received++;
  const misplaced = misplacedBy(stream, piece);
  if (misplaced !== null) return broken(session, stream, misplaced);
  if (!takeBody(session, stream, piece.body.length)) return violation("a body goes beyond its credit");
  return session.role === "server"
    ? takeResponse(session, stream, piece)
    : takeRequest(session, stream, piece);
}

const FLAGS_KNOWN = FLAG.head | FLAG.interim | FLAG.last | FLAG.trailers;
const LENGTH_BYTES = 4;
const NO_FIELDS: HeaderList = [];

/** The sections of a piece, or the rule that it breaks. */
function cutPiece(session: Session, bytes: Uint8Array): Piece | string {
  const flags = bytes[1] ?? 0;
  if ((flags & ~FLAGS_KNOWN) !== 0) return "a piece has unknown flags";
  const interim = (flags & FLAG.interim) !== 0;
  const last = (flags & FLAG.last) !== 0;
  let at = FRAME_HEADER_BYTES;
  let head: Uint8Array | null = null;
  if ((flags & FLAG.head) !== 0) {
    head = sectionAt(bytes, at);
    if (head === null) return "a piece is cut inside its head";
    at += LENGTH_BYTES + head.length;
  }
  let trailers: Uint8Array | null = null;
  if ((flags & FLAG.trailers) !== 0) {
    if (!last) return "trailers come before the end";
    trailers = sectionAt(bytes, at);
    if (trailers === null) return "a piece is cut inside its trailers";
    at += LENGTH_BYTES + trailers.length;
  }
  const body = bytes.subarray(at);
  if (body.length > PIECE_BODY_BYTES_MAX) return "a piece has more than 64 KiB of body";
  if (head === null && !last && body.length === 0) return "a piece is empty";
  if (interim && (session.role === "agent" || head === null || last || body.length > 0)) {
    return "an interim response is not a head alone, or a request";
  }
  return { head, interim, last, trailers, body };
}

function sectionAt(bytes: Uint8Array, at: number): Uint8Array | null {
  const start = at + LENGTH_BYTES;
  if (start > bytes.length) return null;
  const end = start + readU32(bytes, at);
  return end > bytes.length ? null : bytes.subarray(start, end);
}

/** What came is about an exchange that this side does not hold: new to the agent, or long forgotten. */
function receiveUnknown(session: Session, piece: Piece, exchange: number, number: number): Received {
  if (session.role === "server" || number !== 0) {
    session.counters.stray++;
    return NOTHING;
  }
  const head = piece.head === null ? null : decodeRequestHead(piece.head);
  if (head === null) return violation("an exchange begins without a well-formed head");
  const stream = createStream(session, exchange, head.creditBytes, session.limits.windowBytes);
  stream.receive.received = 1;
  stream.receive.headed = true;
  if (!takeBody(session, stream, piece.body.length)) return violation("a body goes beyond its credit");
  const request = takeRequest(session, stream, piece);
  if (request.type !== "piece") return request;
  const { body, last, trailers } = request;
  return { type: "opened", stream, head, body, last, trailers };
}

function takeRequest(session: Session, stream: Stream, piece: Piece): Received {
  const trailers = piece.trailers === null ? NO_FIELDS : decodeHeaderList(piece.trailers);
  if (trailers === null) return violation("trailers are malformed");
  return deliver(session, stream, piece, null, trailers);
}

function takeResponse(session: Session, stream: Stream, piece: Piece): Received {
  const { headBytesMax } = session.options;
  if ((piece.head?.length ?? 0) > headBytesMax || (piece.trailers?.length ?? 0) > headBytesMax) {
    const detail = "a head or trailers are larger than allowed";
    return { type: "broken", stream, code: "limit_response_headers", detail };
  }
  const head = piece.head === null ? null : decodeResponseHead(piece.head);
  if (piece.head !== null && head === null) return broken(session, stream, "a head is malformed");
  const trailers = piece.trailers === null ? NO_FIELDS : decodeHeaderList(piece.trailers);
  if (trailers === null) return broken(session, stream, "trailers are malformed");
  if (!piece.interim || head === null) return deliver(session, stream, piece, head, trailers);
  const { status, headers } = head;
  if (status < 100 || status > 199 || status === 101) {
    return broken(session, stream, "an interim response has another status than 1xx");
  }
  stream.receive.interims++;
  acknowledgePiece(session, stream.receive);
  if (stream.receive.interims > session.limits.interimsMax) {
    session.counters.interimsDropped++;
    return NOTHING;
  }
  return { type: "interim", stream, status, headers };
}

function deliver(
  session: Session,
  stream: Stream,
  piece: Piece,
  head: ReturnType<typeof decodeResponseHead>,
  trailers: HeaderList,
): Received {
  const { body, last } = piece;
  stream.receive.headed = true;
  if (last) endReceive(session, stream.receive);
  acknowledgePiece(session, stream.receive);
  if (last) settleStream(session, stream);
  return { type: "piece", stream, head, body, last, trailers };
}

/** Which rule of order the piece breaks. */
function misplacedBy(stream: Stream, piece: Piece): string | null {
  const { headed, ended } = stream.receive;
  if (ended) return "a piece comes after the last";
  if (headed && piece.interim) return "an interim response comes after the final one";
  if (headed && piece.head !== null) return "a second head comes";
  if (!headed && piece.head === null) return "a body comes before its head";
  return null;
}

function broken(session: Session, stream: Stream, detail: string): Received {
  if (session.role === "agent") return violation(detail);
  return { type: "broken", stream, code: "agent_protocol", detail };
}
