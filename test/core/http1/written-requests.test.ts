import http from "node:http";
import { expect, test } from "vitest";
import { below, createPrng, type Prng } from "../../../core/prng.ts";
import { start, type TestOrder } from "./harness.ts";
import { type ReadRequest, readRequestsByNode } from "./node-server.ts";

const REQUESTS = 20_000;

type Written = {
  readonly order: TestOrder;
  readonly pieces: readonly string[];
  readonly trailers: readonly string[];
};

test("each request that we write is one request to Node's reader, and the same", async () => {
  for (let seed = 1; seed <= REQUESTS; seed++) {
    const written = generate(createPrng(seed));
    const bytes = bytesOf(written);
    const read = await readRequestsByNode(bytes);
    // A lone upgrade is followed by what is no HTTP; behind any other request the next one begins at once.
    const expected = written.order.upgrade === true ? [expectedOf(written)] : [expectedOf(written), NEXT];
    if (JSON.stringify(read) === JSON.stringify(expected)) continue;
    expect.fail(
      `seed ${seed}: ${JSON.stringify({ text: bytes.toString("latin1"), read, expected }, null, 2)}`,
    );
  }
}, 120_000);

/** All that the client orders to be written for it, and for another request behind it on the same connection. */
function bytesOf({ order, pieces, trailers }: Written): Buffer {
  const run = start({ basePaths: ["/base"] });
  const exchange = run.request(order);
  for (const piece of pieces) run.send(exchange, piece);
  run.endBody(exchange, trailers);
  if (order.upgrade !== true) {
    run.answer(1, "HTTP/1.1 204 No Content\r\n\r\n");
    run.request({ target: "/next", headers: ["Host", "home"] });
  }
  expect(run.connections).toHaveLength(1);
  return Buffer.from(run.written(1), "latin1");
}

function expectedOf({ order, pieces, trailers }: Written): ReadRequest {
  const { method = "", target = "", headers = [], body, bodyBytes, upgrade } = order;
  const whole = body instanceof Uint8Array ? Buffer.from(body).toString("latin1") : pieces.join("");
  return {
    method,
    target: target === "*" ? target : `/base${target}`,
    headers: [...headers, ...framingOf(order, whole), ...(upgrade ? [] : ["Connection", "keep-alive"])],
    body: whole,
    trailers: body === "streamed" && bodyBytes === null ? trailers : [],
    behind: upgrade ? "" : null,
  };
}

function framingOf({ method = "", body, bodyBytes, upgrade }: TestOrder, whole: string): string[] {
  if (body === "streamed" && bodyBytes === null) return ["Transfer-Encoding", "chunked"];
  const isSilent = upgrade || ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"].includes(method);
  return body === null && isSilent ? [] : ["Content-Length", String(whole.length)];
}

function generate(prng: Prng): Written {
  const method = METHODS[below(prng, METHODS.length)] ?? "";
  const target = below(prng, 20) === 0 ? "*" : `/${text(prng, VISIBLE, 30)}`;
  const headers = ["Host", "home", ...fields(prng)];
  if (method === "GET" && below(prng, 4) === 0) {
    const upgrade = [...headers, "Connection", "Upgrade", "Upgrade", "x"];
    return {
      order: { method, target, headers: upgrade, body: null, upgrade: true },
      pieces: [],
      trailers: [],
    };
  }
  const kind = below(prng, 4);
  if (kind === 0) return { order: { method, target, headers, body: null }, pieces: [], trailers: [] };
  if (kind === 1) {
    const body = Buffer.from(text(prng, ANY, 40), "latin1");
    return { order: { method, target, headers, body }, pieces: [], trailers: [] };
  }
  const pieces = Array.from({ length: below(prng, 4) }, () => text(prng, ANY, 40));
  const bodyBytes = kind === 2 ? pieces.join("").length : null;
  return { order: { method, target, headers, body: "streamed", bodyBytes }, pieces, trailers: fields(prng) };
}

function fields(prng: Prng): string[] {
  return Array.from({ length: below(prng, 4) }, () => [`X-${text(prng, NAME, 8)}`, value(prng)]).flat();
}

/** Without spaces around it, which would be no part of it. */
function value(prng: Prng): string {
  return text(prng, VALUE, 20).replace(/^[\t ]+|[\t ]+$/g, "");
}

function text(prng: Prng, alphabet: string, lengthMax: number): string {
  let text = "";
  for (let left = below(prng, lengthMax); left > 0; left--) text += alphabet[below(prng, alphabet.length)];
  return text;
}

function characters(from: number, to: number): string {
  return Array.from({ length: to - from + 1 }, (_, index) => String.fromCharCode(from + index)).join("");
}

/** Those that Node's reader knows: to HTTP a method is any token (RFC 9110 section 9.1). */
const METHODS = http.METHODS.filter((method) => method !== "CONNECT");
/** A target has no fragment (RFC 9112 section 3.2), and with one it is refused. */
const VISIBLE = characters(0x21, 0x7e).replace("#", "");
const NAME = "abcXYZ019!#$%&'*+-.^_`|~";
const VALUE = `\t ${characters(0x21, 0x7e)}${characters(0x80, 0xff)}`;
const ANY = `\r\n0${characters(0, 0xff)}`;

const NEXT: ReadRequest = {
  method: "GET",
  target: "/base/next",
  headers: ["Host", "home", "Connection", "keep-alive"],
  body: "",
  trailers: [],
  behind: null,
};
