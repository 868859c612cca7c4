/** The pieces of bodies and their heads, from the other side: checks their form, their number, their place and their credit. */
import type { HeaderList } from "../http/headers.ts";
import { FLAG, FRAME_HEADER_BYTES, PIECE_BODY_BYTES_MAX, readU32 } from "../wire/native.ts";
import { decodeHeaderList, decodeRequestHead, decodeResponseHead } from "../wire/native-head.ts";
import { acknowledgePiece, takeBody } from "./credit.ts";
import { isUnopened, NOTHING, type Received, violation } from "./received.ts";
import type { Session, Stream } from "./state.ts";
import { createStream, endReceive, HALF_OF_NUMBERS, settleStream } from "./stream.ts";

/** Where the sections of a frame are: each goes up to its end, from 0 to 0 where there is none. */
type Piece = {
  readonly bytes: Uint8Array;
  readonly headStart: number;
  readonly headEnd: number;
  readonly interim: boolean;
  readonly last: boolean;
  readonly trailersStart: number;
  readonly trailersEnd: number;
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
  let headStart = 0;
  let headEnd = 0;
  if ((flags & FLAG.head) !== 0) {
    headStart = at + LENGTH_BYTES;
    headEnd = headStart + readU32(bytes, at);
    if (headEnd > bytes.length) return "a piece is cut inside its head";
    at = headEnd;
  }
  let trailersStart = 0;
  let trailersEnd = 0;
  if ((flags & FLAG.trailers) !== 0) {
    if (!last) return "trailers come before the end";
    trailersStart = at + LENGTH_BYTES;
    trailersEnd = trailersStart + readU32(bytes, at);
    if (trailersEnd > bytes.length) return "a piece is cut inside its trailers";
    at = trailersEnd;
  }
  const body = at === bytes.length ? NO_BODY : bytes.subarray(at);
  if (body.length > PIECE_BODY_BYTES_MAX) return "a piece has more than 64 KiB of body";
  if (headEnd === 0 && !last && body.length === 0) return "a piece is empty";
  if (interim && (session.role === "agent" || headEnd === 0 || last || body.length > 0)) {
    return "an interim response is not a head alone, or a request";
  }
  return { bytes, headStart, headEnd, interim, last, trailersStart, trailersEnd, body };
}

const NO_BODY = new Uint8Array(0);

function hasHead(piece: Piece): boolean {
  return piece.headEnd > 0;
}

/** The trailers, empty where there are none; null where they are malformed. */
function trailersOf({ bytes, trailersStart, trailersEnd }: Piece): HeaderList | null {
  return trailersEnd === 0 ? NO_FIELDS : decodeHeaderList(bytes, trailersStart, trailersEnd);
}

/** What came is about an exchange that this side does not hold: new to the agent, or long forgotten. */
function receiveUnknown(session: Session, piece: Piece, exchange: number, number: number): Received {
  if (session.role === "server" || number !== 0) {
    session.counters.stray++;
    return NOTHING;
  }
  const head = hasHead(piece) ? decodeRequestHead(piece.bytes, piece.headStart, piece.headEnd) : null;
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
  const trailers = trailersOf(piece);
  if (trailers === null) return violation("trailers are malformed");
  return deliver(session, stream, piece, null, trailers);
}

function takeResponse(session: Session, stream: Stream, piece: Piece): Received {
  const { headBytesMax } = session.options;
  const { bytes, headStart, headEnd, trailersStart, trailersEnd } = piece;
  if (headEnd - headStart > headBytesMax || trailersEnd - trailersStart > headBytesMax) {
    const detail = "a head or trailers are larger than allowed";
    return { type: "broken", stream, code: "limit_response_headers", detail };
  }
  const head = hasHead(piece) ? decodeResponseHead(bytes, headStart, headEnd) : null;
  if (hasHead(piece) && head === null) return broken(session, stream, "a head is malformed");
  const trailers = trailersOf(piece);
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
  if (headed && hasHead(piece)) return "a second head comes";
  if (!headed && !hasHead(piece)) return "a body comes before its head";
  return null;
}

function broken(session: Session, stream: Stream, detail: string): Received {
  if (session.role === "agent") return violation(detail);
  return { type: "broken", stream, code: "agent_protocol", detail };
}
