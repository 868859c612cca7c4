/** One answer of a home as bytes: which head, how the body is framed, what follows it, and whether the connection stays. */
import type { AnswerQuirk } from "../../scenario/answers.ts";
import { ANNOUNCED_SECONDS, DELIMITERS, type Delivery, hasChunks } from "../../scenario/deliveries.ts";
import type { VisitOperation } from "../../scenario/scenario.ts";
import { headerOf } from "../../tools/headers.ts";
import { latin1Bytes } from "../../tools/text.ts";
import { chunkOf, type HeadForm, lastChunk, responseHead } from "../../wire/response-writer.ts";

/** What becomes of the connection when the answer is over. */
export type Afterwards =
  /** Kept for another request, at most for so long where it is announced. */
  { readonly kind: "kept"; readonly announcedMs: number | null } | { readonly kind: "closed" };

type Framing = "sized" | "chunked" | "until_close" | "none" | "raw";

export class HomeReply {
  readonly #method: string;
  readonly #deliveries: readonly Delivery[];
  readonly #quirks: readonly AnswerQuirk[];
  readonly #write: (bytes: Uint8Array, unasked: boolean) => void;
  #framing: Framing = "none";
  /** Of a body whose length is declared. */
  #left = 0;
  #isKept = true;
  /** What nobody asked for comes behind the answer and not in its place, so that the two leave at one time. */
  readonly #holdsBack: boolean;
  readonly #heldBack: Uint8Array[] = [];
  readonly #surplus: Uint8Array[] = [];
  /** Nothing was said yet. */
  silent = true;

  /** `unasked` bytes are beyond the answer. */
  constructor(
    method: string,
    visit: VisitOperation | null,
    write: (bytes: Uint8Array, unasked: boolean) => void,
  ) {
    this.#method = method;
    this.#deliveries = visit?.answer.deliveries ?? [];
    this.#quirks = visit?.answer.quirks ?? [];
    this.#write = write;
    this.#holdsBack = this.#quirks.includes("ends_late") || this.#quirks.includes("body_for_nobody");
  }

  /** Whether what comes behind it is no part of it. */
  get hasEnd(): boolean {
    return this.#framing !== "until_close" && this.#framing !== "raw";
  }

  /** The home closes its connection where it should have begun to answer. */
  get hangsUp(): boolean {
    return this.#quirks.includes("hangs_up");
  }

  interim(status: number, headers: readonly string[]): void {
    this.#say(responseHead(status, headers, PLAIN));
  }

  head(status: number, headers: readonly string[]): void {
    if (this.#does("goes_on")) {
      this.interim(100, []);
      this.interim(102, ["x-goes", "on"]);
    }
    if (this.#quirks.includes("no_http")) {
      this.#framing = "raw";
      this.#say(latin1Bytes("ICY 200 OK\r\n\r\n"));
      return;
    }
    if (this.#quirks.includes("switches_unasked")) {
      this.#framing = "raw";
      this.#say(responseHead(101, ["connection", "upgrade", "upgrade", "else", ...headers], PLAIN));
      return;
    }
    if (status === 101) this.#framing = "raw";
    const more = status === 101 ? [] : this.#frame(status, headers);
    const delimiters = this.#does("delimiters") ? DELIMITERS : [];
    this.#say(responseHead(status, [...headers, ...more, ...delimiters], this.#form(status)));
  }

  body(bytes: Uint8Array): void {
    switch (this.#framing) {
      case "chunked":
        this.#chunk(bytes);
        break;
      case "sized": {
        const inside = Math.min(bytes.length, this.#left);
        this.#left -= inside;
        if (inside > 0) this.#say(bytes.subarray(0, inside));
        if (inside < bytes.length) this.#surplus.push(bytes.subarray(inside));
        break;
      }
      case "until_close":
      case "raw":
        this.#say(bytes);
        break;
      case "none":
        this.#surplus.push(bytes);
    }
  }

  ended(trailers: readonly string[]): Afterwards {
    if (this.#framing === "chunked" && this.#quirks.includes("chunks_cut")) return CLOSED;
    if (this.#framing === "chunked") {
      const length = this.#quirks.includes("length_in_trailers") ? ["Content-Length", "5"] : [];
      this.#say(lastChunk([...trailers, ...length], this.#does("odd_chunks")));
    }
    for (const bytes of this.#heldBack) this.#write(bytes, false);
    for (const bytes of this.#surplus) this.#write(bytes, true);
    const isShort = this.#framing === "sized" && this.#left > 0;
    if (!this.#isKept || isShort || this.#framing === "raw" || this.#does("closes")) return CLOSED;
    const isAnnounced = this.#does("announces_timeout");
    return { kind: "kept", announcedMs: isAnnounced ? ANNOUNCED_SECONDS * 1000 : null };
  }

  #say(bytes: Uint8Array): void {
    this.silent = false;
    if (this.#holdsBack) this.#heldBack.push(bytes);
    else this.#write(bytes, false);
  }

  #chunk(bytes: Uint8Array): void {
    const chunk = chunkOf(bytes, this.#does("odd_chunks"));
    // Longer by a byte than its size says.
    this.#say(
      this.#quirks.includes("chunks_lie") ? Uint8Array.of(...chunk.subarray(0, -2), 0, 13, 10) : chunk,
    );
  }

  /** Decides how the body ends, and returns the fields that say so. */
  #frame(status: number, headers: readonly string[]): readonly string[] {
    const isBodiless = this.#method === "HEAD" || status === 204 || status === 304;
    const length = headerOf(headers, "content-length");
    const fields: string[] = [];
    if (isBodiless) {
      this.#framing = "none";
      if (this.#method === "HEAD" && length === undefined && hasChunks(this.#deliveries))
        fields.push("transfer-encoding", "chunked");
    } else if (length !== undefined) {
      this.#framing = "sized";
      this.#left = Number.parseInt(length, 10);
      if (this.#quirks.includes("framed_twice")) fields.push("transfer-encoding", "chunked");
    } else if (hasChunks(this.#deliveries)) {
      this.#framing = "chunked";
      fields.push("Transfer-Encoding", this.#does("odd_chunks") ? "Chunked" : "chunked");
    } else {
      this.#framing = "until_close";
    }
    const saysClose = (headerOf(headers, "connection") ?? "").includes("close");
    this.#isKept =
      this.#framing !== "until_close" && !saysClose && !this.#does("old") && !this.#does("says_close");
    if (this.#does("says_close")) fields.push("Connection", "Close");
    else if (this.#isKept && this.#does("old_kept")) fields.push("connection", "Keep-Alive");
    if (this.#isKept && this.#does("announces_timeout"))
      fields.push("Keep-Alive", `timeout=${ANNOUNCED_SECONDS}, max=100`);
    return fields;
  }

  #form(status: number): HeadForm {
    const isOld = this.#does("old") || this.#does("old_kept");
    return {
      version: isOld && status !== 101 ? "HTTP/1.0" : "HTTP/1.1",
      reason: !this.#does("no_reason"),
      odd: this.#does("odd_fields"),
      loneLf: this.#quirks.includes("lone_lf"),
    };
  }

  #does(delivery: Delivery): boolean {
    return this.#deliveries.includes(delivery);
  }
}

/** What a home says that nobody asked: an answer to nobody, the beginning of one, or what is no answer at all. */
export function unaskedBytes(clientId: string, kind: number): Uint8Array {
  const head = `HTTP/1.1 200 OK\r\nx-home-answer: ${clientId}/nobody\r\ncontent-length: 4\r\n\r\n`;
  return latin1Bytes([`${head}late`, head.slice(0, 20), "late", "\r\n"][kind % 4] ?? "");
}

const PLAIN: HeadForm = { version: "HTTP/1.1", reason: true, odd: false, loneLf: false };
const CLOSED: Afterwards = { kind: "closed" };
