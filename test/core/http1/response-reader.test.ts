import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createReader,
  endBytes,
  expectResponse,
  isInBody,
  nextPart,
  putBytes,
  type ResponsePart,
  type ResponseReader,
} from "../../../core/http1/response-reader.ts";

const HEAD_BYTES_MAX = 64 * 1024;

type Request = { readonly method?: string; readonly upgrade?: boolean };

const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

function readerOf({ method = "GET", upgrade = false }: Request = {}): ResponseReader {
  const reader = createReader(HEAD_BYTES_MAX);
  expectResponse(reader, method, upgrade);
  return reader;
}

function partsOf(reader: ResponseReader): ResponsePart[] {
  const parts: ResponsePart[] = [];
  for (let part = nextPart(reader); part !== null; part = nextPart(reader)) parts.push(part);
  return parts;
}

/** What a reader makes of these pieces of a connection, its bodies put together. */
function read(pieces: readonly Buffer[], request: Request = {}) {
  const reader = readerOf(request);
  const all: ResponsePart[] = [];
  for (const piece of pieces) {
    putBytes(reader, new Uint8Array(piece));
    all.push(...partsOf(reader));
  }
  endBytes(reader);
  all.push(...partsOf(reader));
  const bodies = all.flatMap((part) => (part.type === "body" ? [part.bytes] : []));
  return {
    parts: all.filter(({ type }) => type !== "body" && type !== "malformed"),
    body: Buffer.concat(bodies).toString("latin1"),
    isMalformed: all.at(-1)?.type === "malformed",
    reader,
  };
}

/** As one piece, and byte by byte: both must come to the same. */
function readBothWays(text: string, request: Request = {}) {
  const bytes = Buffer.from(text, "latin1");
  const whole = read([bytes], request);
  const dribbled = read(
    Array.from(bytes, (byte) => Buffer.from([byte])),
    request,
  );
  expect(dribbled.parts).toEqual(whole.parts);
  expect(dribbled.body).toBe(whole.body);
  expect(dribbled.isMalformed).toBe(whole.isMalformed);
  return whole;
}

describe("a response", () => {
  const token = fc
    .stringMatching(/^[A-Za-z0-9-]{1,12}$/)
    .filter((name) => !/^(content-length|transfer)/i.test(name));
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
  const visible = fc
    .uint8Array({ min: 0x21, max: 0xff, maxLength: 20 })
    .map((bytes) => bytes.filter((byte) => byte !== 0x7f));
  const value = fc
    .tuple(visible, visible)
    .map(([a, b]) => (a.length * b.length === 0 ? text(a) : `${text(a)} \t${text(b)}`));
  const fields = fc.array(fc.tuple(token, value), { maxLength: 5 });
  const content = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }).map(text), { maxLength: 4 });
  const lines = (list: readonly (readonly [string, string])[]) =>
    list.map(([name, content]) => `${name}:${content.length % 2 ? " \t" : ""}${content}\r\n`).join("");

  test("is the same wherever its bytes were cut", () => {
    const interims = fc.array(fc.tuple(fc.constantFrom(100, 102, 103), fields), { maxLength: 2 });
    const framing = fc.constantFrom("sized", "chunked", "until_end");
    const cuts = fc.array(fc.nat(), { maxLength: 8 });
    fc.assert(
      fc.property(interims, fields, content, framing, fields, cuts, (first, head, pieces, kind, last, at) => {
        const body = pieces.join("");
        const sent =
          kind === "chunked"
            ? `${pieces.map((piece) => `${piece.length.toString(16)};x=y\r\n${piece}\r\n`).join("")}0\r\n${lines(last)}\r\n`
            : body;
        const framingLine =
          kind === "sized"
            ? `content-length: ${body.length}\r\n`
            : kind === "chunked"
              ? "transfer-encoding: Chunked\r\n"
              : "";
        const bytes = Buffer.from(
          `${first.map(([status, list]) => `HTTP/1.1 ${status} x\r\n${lines(list)}\r\n`).join("")}HTTP/1.1 200\r\n${framingLine}${lines(head)}\r\n${sent}`,
          "latin1",
        );
        const places = [0, ...at.map((place) => place % bytes.length), bytes.length].toSorted(
          (a, b) => a - b,
        );
        const cut = places.slice(1).map((to, index) => bytes.subarray(places[index], to));
        const result = read(cut);
        expect(result.isMalformed).toBe(false);
        expect(result.body).toBe(body);
        expect(result.parts).toEqual([
          ...first.map(([status, list]) => ({ type: "interim", status, headers: list.flat() })),
          {
            type: "head",
            status: 200,
            headers: [...framingLine.trim().split(": ").filter(Boolean), ...head.flat()],
          },
          { type: "end", trailers: kind === "chunked" ? last.flat() : [] },
        ]);
      }),
    );
  });

  test.each([
    ["no reason", "HTTP/1.1 204\r\n\r\n", []],
    ["an empty reason", "HTTP/1.1 204 \r\n\r\n", []],
    [
      "a value of two lines, which become one",
      "HTTP/1.1 204 x\r\nA: b\r\n \t c\r\nD: e\r\n\r\n",
      ["A", "b c", "D", "e"],
    ],
    ["an empty line of a value", "HTTP/1.1 204 x\r\nA:\r\n \r\n\r\n", ["A", ""]],
    [
      "a no-break space, which is none of HTTP's",
      "HTTP/1.1 204 x\r\nA: \u00a0b\u00a0\r\n\r\n",
      ["A", "\u00a0b\u00a0"],
    ],
    ["a status of its own", "HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n", ["Content-Length", "0"]],
    ["the same length twice", "HTTP/1.1 200 x\r\nContent-Length: 0\r\nContent-Length: 0, 0\r\n\r\n", null],
  ])("may have %s", (_name, text, headers) => {
    const { parts, isMalformed } = readBothWays(text);
    expect(isMalformed).toBe(false);
    expect(parts).toHaveLength(2);
    if (headers !== null) expect(parts[0]).toMatchObject({ headers });
  });

  test.each([
    ["HTTP/1.0 200 OK\nA: b\nContent-Length: 2\n\nok", ["A", "b", "Content-Length", "2"], []],
    ["HTTP/1.1 200 OK\r\nA: b\nContent-Length: 2\n\nok", ["A", "b", "Content-Length", "2"], []],
    ["HTTP/1.1 200 OK\nContent-Length: 2\r\n\nok", ["Content-Length", "2"], []],
    ["HTTP/1.1 200 OK\nContent-Length: 2\n\r\nok", ["Content-Length", "2"], []],
    ["HTTP/1.1 200\nA: b\n \tc\nContent-Length: 2\n\nok", ["A", "b c", "Content-Length", "2"], []],
    ["HTTP/1.1 100 x\n\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok", ["Content-Length", "2"], []],
    [
      "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\r\nok\r\n0\r\n\n",
      ["Transfer-Encoding", "chunked"],
      [],
    ],
    [
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\nC: d\n\n",
      ["Transfer-Encoding", "chunked"],
      ["A", "b", "C", "d"],
    ],
  ])("may end lines of its heads and trailers with LF alone: %j", (text, headers, trailers) => {
    const { parts, body, isMalformed } = readBothWays(text);
    expect(isMalformed).toBe(false);
    expect(parts.at(-2)).toEqual({ type: "head", status: 200, headers });
    expect(parts.at(-1)).toEqual({ type: "end", trailers });
    expect(body).toBe("ok");
  });

  test.each([
    ["another protocol", "SSH-2.0-OpenSSH_9.6\r\n"],
    ["another version", "HTTP/2.0 200 OK\r\n\r\n"],
    ["no status", "HTTP/1.1 OK\r\n\r\n"],
    ["a status of two digits", "HTTP/1.1 99 x\r\n\r\n"],
    ["a status below 100", "HTTP/1.1 099 x\r\n\r\n"],
    ["an empty line before it", "\r\nHTTP/1.1 200 OK\r\n\r\n"],
    ["LF alone in the line of a chunk's end", `${CHUNKED}2\r\nok\n0\r\n\r\n`],
    ["LF alone and a CR within a line", "HTTP/1.1 200 OK\nA: b\rc\n\n"],
    ["a header without a colon", "HTTP/1.1 200 OK\r\nA\r\nB: c\r\n\r\n"],
    ["a header without a name", "HTTP/1.1 200 OK\r\n: x\r\n\r\n"],
    ["a space before the colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n"],
    ["a value that goes on from nothing", "HTTP/1.1 200 OK\r\n A: b\r\n\r\n"],
    ["a NUL in a value", "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n"],
    ["a CR in a value", "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n"],
    ["a switch that nobody asked for", "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"],
    ["a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"],
    ["a length beside chunks", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ["a coding below the chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
    ["a coding without chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"],
    ["chunks twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ["a chunk without a size", `${CHUNKED}\r\n`],
    ["a chunk of negative size", `${CHUNKED}-1\r\n`],
    ["a chunk whose size no number holds", `${CHUNKED}fffffffffffffff\r\n`],
    ["a chunk that is longer than its size", `${CHUNKED}2\r\nokay\r\n0\r\n\r\n`],
    ["a chunk's size without CR", `${CHUNKED}2\nok\r\n0\r\n\r\n`],
    ["a control character behind a chunk's size", `${CHUNKED}2;\x01\r\nok\r\n0\r\n\r\n`],
    ["another length in its trailers", `${CHUNKED}0\r\nContent-Length: 9\r\n\r\n`],
    ["a trailer without a name", `${CHUNKED}0\r\n: x\r\n\r\n`],
  ])("is malformed with %s", (_name, text) => {
    const { isMalformed, parts } = readBothWays(text);
    expect(isMalformed).toBe(true);
    expect(parts).not.toContainEqual(expect.objectContaining({ type: "end" }));
  });

  test("is malformed with more than its length, but for another response, which is dropped", () => {
    const sized = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    expect(read([Buffer.from(`${sized}ay`)]).isMalformed).toBe(true);
    const { parts, isMalformed, reader } = read([Buffer.from(`${sized}HTTP/1.1 200 OK\r\n\r\n`)]);
    expect(isMalformed).toBe(false);
    expect(parts).toHaveLength(2);
    expect(reader.persistent).toBe(false);
  });

  test.each(["head", "chunk_size", "trailers"])("is given up when its %s has no end", (where) => {
    const begin =
      where === "head" ? "HTTP/1.1 200 OK\r\nA: " : where === "trailers" ? `${CHUNKED}0\r\nA: ` : CHUNKED;
    const reader = readerOf();
    putBytes(reader, Buffer.from(begin));
    partsOf(reader);
    let sent = 0;
    let last: ResponsePart | null = null;
    while (last === null && sent <= HEAD_BYTES_MAX) {
      sent += 100;
      putBytes(reader, Buffer.alloc(100, "0"));
      last = nextPart(reader);
    }
    const fault = where === "chunk_size" ? "malformed" : "head_too_large";
    expect(last).toEqual({ type: "malformed", fault });
    expect(sent).toBeLessThanOrEqual(HEAD_BYTES_MAX + 100);
    expect(isInBody(reader)).toBe(false);
    expect(nextPart(reader)).toBeNull();
  });

  test("that is cut has no end", () => {
    const whole = `${CHUNKED}2\r\nok\r\n0\r\nA: b\r\n\r\n`;
    for (let length = 0; length < whole.length; length++) {
      const { parts, isMalformed } = read([Buffer.from(whole.slice(0, length))]);
      expect(isMalformed).toBe(false);
      expect(parts).not.toContainEqual(expect.objectContaining({ type: "end" }));
    }
  });

  test.each(["", "Connection: upgrade\r\n", "Upgrade: x\r\n", "Connection: upgrade\r\nUpgrade:\r\n"])(
    "that switches protocols needs to say so: %j",
    (fields) => {
      expect(readBothWays(`HTTP/1.1 101 x\r\n${fields}\r\n`, { upgrade: true }).isMalformed).toBe(true);
    },
  );

  test("that switches protocols as asked leaves what follows alone, up to the connection's end", () => {
    const head = "HTTP/1.1 101 x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: x\r\n\r\n";
    const { parts, body, isMalformed, reader } = readBothWays(`${head}HTTP/1.1 raw`, { upgrade: true });
    expect(isMalformed).toBe(false);
    expect(parts).toEqual([
      { type: "head", status: 101, headers: ["Connection", "keep-alive, Upgrade", "Upgrade", "x"] },
      { type: "end", trailers: [] },
    ]);
    expect(body).toBe("HTTP/1.1 raw");
    expect(reader.persistent).toBe(false);
  });
});

describe("the connection", () => {
  const SIZED = "Content-Length: 0\r\n";
  test.each([
    [true, "HTTP/1.1 200 OK", SIZED],
    [true, "HTTP/1.1 200 OK", "Transfer-Encoding: chunked\r\n"],
    [true, "HTTP/1.0 200 OK", `${SIZED}Connection: Keep-Alive\r\n`],
    [false, "HTTP/1.0 200 OK", SIZED],
    [false, "HTTP/1.0 200 OK", "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n"],
    [false, "HTTP/1.1 200 OK", `${SIZED}Connection: x, Close\r\n`],
    [false, "HTTP/1.1 200 OK", ""],
  ])("may carry another request: %s after %s %j", (isPersistent, line, fields) => {
    const body = fields.includes("chunked") ? "0\r\n\r\n" : "";
    const { reader, parts } = readBothWays(`${line}\r\n${fields}\r\n${body}`);
    expect(parts.at(-1)).toEqual({ type: "end", trailers: [] });
    expect(reader.persistent).toBe(isPersistent);
  });

  test("carries one response after the other, each by its own request", () => {
    const reader = createReader(HEAD_BYTES_MAX);
    for (const method of ["HEAD", "GET", "HEAD"]) {
      expectResponse(reader, method, false);
      const body = method === "HEAD" ? "" : "four";
      putBytes(reader, Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n${body}`));
      const types = partsOf(reader).map(({ type }) => type);
      expect(types).toEqual(["head", ...(method === "HEAD" ? [] : ["body"]), "end"]);
      expect(reader.surplus).toBe(false);
    }
  });

  test.each([
    ["HEAD", "200 OK\r\nContent-Length: 4", "four"],
    ["GET", "304 Not Modified", "four"],
    ["GET", "200 OK\r\nContent-Length: 0", "HTTP/1.1 200 OK\r\n\r\n"],
  ])("carries nothing more after a surplus: %s, %j", (method, head, surplus) => {
    const { parts, reader } = read([Buffer.from(`HTTP/1.1 ${head}\r\n\r\n${surplus}`)], { method });
    expect(parts.at(-1)).toEqual({ type: "end", trailers: [] });
    expect(reader).toMatchObject({ surplus: true, persistent: false });
  });
});

/** In a buffer of its own, as a connection's bytes come. */
function alone(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(text.length);
  bytes.write(text, "latin1");
  return bytes;
}

test("each piece of a body is all that is seen of its buffer, and what comes alone is not copied", () => {
  const reader = readerOf();
  const came = [`${CHUNKED}8\r\nonetwo`, "34\r\n3\r\nfiv\r\n", "9\r\nninebytes"].map(alone);
  const pieces: Extract<ResponsePart, { type: "body" }>[] = [];
  for (const bytes of came) {
    putBytes(reader, bytes);
    for (const part of partsOf(reader)) if (part.type === "body") pieces.push(part);
  }
  expect(pieces.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual([
    "onetwo",
    "34",
    "fiv",
    "ninebytes",
  ]);
  expect(pieces.every(({ only }) => only)).toBe(true);
  expect(new Set(pieces.map(({ bytes }) => bytes.buffer)).size).toBe(4);
  expect(pieces[0]?.bytes.buffer).toBe(came[0]?.buffer);
  expect(pieces[3]?.bytes.buffer).toBe(came[2]?.buffer);
});

test("a piece that had to be joined has a buffer of its own", () => {
  const reader = readerOf();
  const halves = ["HTTP/1.1 200 OK\r\n", "Content-Length: 4\r\n\r\nbody"];
  putBytes(reader, Buffer.from(halves[0] ?? ""));
  expect(nextPart(reader)).toBeNull();
  putBytes(reader, Buffer.from(halves[1] ?? ""));
  expect(nextPart(reader)?.type).toBe("head");
  const part = nextPart(reader);
  expect(part).toMatchObject({ type: "body", only: true });
  expect(part?.type === "body" && part.bytes.buffer.byteLength).toBe(halves.join("").length);
});

test("a piece of a buffer that others may see is not said to be its only view", () => {
  const reader = readerOf();
  const shared = alone("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody|of another");
  putBytes(reader, shared.subarray(0, shared.indexOf(0x7c)));
  expect(partsOf(reader)).toMatchObject([{ type: "head" }, { type: "body", only: false }, { type: "end" }]);
});

test("a piece of a buffer that nobody else sees is its only view, and one before it is copied", () => {
  const reader = readerOf();
  const whole = alone(`${CHUNKED}3\r\none\r\n3\r\ntwo| and room for more`);
  putBytes(reader, whole.subarray(0, whole.indexOf(0x7c)), true);
  const pieces = partsOf(reader).flatMap((part) => (part.type === "body" ? [part] : []));
  expect(pieces).toMatchObject([{ only: true }, { only: true }]);
  expect(pieces.map(({ bytes }) => bytes.buffer === whole.buffer)).toEqual([false, true]);
});
