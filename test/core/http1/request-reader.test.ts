import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createRequestReader,
  isInHead,
  isInRequest,
  nextRequestPart,
  putRequestBytes,
  type RequestHead,
  takeRest,
  waitingBytes,
} from "../../../core/http1/request-reader.ts";

const HEAD_BYTES_MAX = 1_024;
const HOST = "Host: x\r\n";
const CHUNKED = `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`;

type Request = { readonly head: RequestHead; body: string; trailers: readonly string[] | null };

/** What a reader makes of these pieces of a connection. */
function read(pieces: readonly Uint8Array[]) {
  const reader = createRequestReader(HEAD_BYTES_MAX);
  const requests: Request[] = [];
  let fault: string | null = null;
  const drain = () => {
    for (let part = nextRequestPart(reader); part !== null; part = nextRequestPart(reader)) {
      const latest = requests.at(-1);
      if (part.type === "head") requests.push({ head: part.head, body: "", trailers: null });
      else if (part.type === "broken") {
        fault = part.fault;
        return;
      } else if (latest === undefined) throw new Error("a part belongs to no request");
      else if (part.type === "body") latest.body += Buffer.from(part.bytes).toString("latin1");
      else latest.trailers = part.trailers;
    }
  };
  for (const piece of pieces) {
    putRequestBytes(reader, piece);
    drain();
  }
  return { requests, fault, reader };
}

/** As one piece, and byte by byte: both must come to the same. */
function readBothWays(text: string) {
  const bytes = Buffer.from(text, "latin1");
  const whole = read([bytes]);
  const dribbled = read(Array.from(bytes, (byte) => Uint8Array.of(byte)));
  expect([dribbled.requests, dribbled.fault]).toEqual([whole.requests, whole.fault]);
  return whole;
}

describe("a request", () => {
  test("is its line, its fields as they were sent, and its body", () => {
    const { requests, fault } = readBothWays(
      `PUT /a?b HTTP/1.1\r\nHost:x\r\nX-A: \t b c \t\r\nx-a:\r\nX-B: \xe9\xa0\r\nContent-Length: 3\r\n\r\nabc`,
    );
    expect(fault).toBeNull();
    expect(requests).toEqual([
      {
        head: {
          method: "PUT",
          target: "/a?b",
          minorVersion: 1,
          headers: ["Host", "x", "X-A", "b c", "x-a", "", "X-B", "\xe9\xa0", "Content-Length", "3"],
          hasBody: true,
        },
        body: "abc",
        trailers: [],
      },
    ]);
  });

  test("without a length has no body, and neither has one with a length of nothing", () => {
    for (const field of ["", "Content-Length: 0\r\n"]) {
      const { requests } = readBothWays(`GET / HTTP/1.0\r\n${field}\r\nGET /b HTTP/1.1\r\n\r\n`);
      expect(requests.map(({ head }) => head.hasBody)).toEqual([false, false]);
      expect(requests.map(({ head }) => head.minorVersion)).toEqual([0, 1]);
    }
  });

  test("may have empty lines before it", () => {
    const { requests, fault } = readBothWays(`\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\nGET /b HTTP/1.1\r\n\r\n\r\n`);
    expect(requests.map(({ head }) => head.target)).toEqual(["/", "/b"]);
    expect(fault).toBeNull();
  });

  test.each([
    ["GET / HTTP/1.10"],
    ["GET / http/1.1"],
    ["GET / HTTP/1.1 "],
    ["GET /"],
    ["GET  / HTTP/1.1"],
    ["GET /  HTTP/1.1"],
    ["GET\t/ HTTP/1.1"],
    ["GET /a b HTTP/1.1"],
    ["get / HTTP/1.1"],
    ["G\0T / HTTP/1.1"],
    [" GET / HTTP/1.1"],
    [`${"A".repeat(33)} / HTTP/1.1`],
    ["HTTP/1.1 200 OK"],
  ])("does not begin with '%s'", (line) => {
    expect(readBothWays(`${line}\r\n${HOST}\r\n`)).toMatchObject({ requests: [], fault: "bad_request" });
  });

  test.each(["GET / HTTP/1.2", "GET / HTTP/2.0", "GET / HTTP/0.9", "PRI * HTTP/2.0"])(
    "of another version is told so: '%s'",
    (line) => {
      const found = { requests: [], fault: "version_not_supported" };
      expect(readBothWays(`${line}\r\n${HOST}\r\n`)).toMatchObject(found);
      expect(readBothWays(`${line}\r\n`)).toMatchObject(found);
    },
  );

  test.each(["\x16", "\n", "\0", "\xff", " "])("that begins with %j is refused at its first byte", (text) => {
    expect(readBothWays(text).fault).toBe("bad_request");
  });

  test("with a line that is none is refused at the end of that line", () => {
    expect(readBothWays("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n").fault).toBe("bad_request");
  });

  test.each([
    ["a space before the colon", "A : b\r\n"],
    ["a space before the name", " A: b\r\n"],
    ["a value that goes on", "A: b\r\n c\r\n"],
    ["a value that goes on with nothing", "A: b\r\n \r\n"],
    ["no name", ": b\r\n"],
    ["no colon", "A\r\n"],
    ["a name that is no token", "A(: b\r\n"],
    ["a bare CR in a value", "A: b\rc\r\n"],
    ["a bare CR in a name", "A\r: b\r\n"],
    ["two CR at its end", "A: b\r\r\n"],
    ["a lone LF at its end", "A: b\n"],
    ["NUL", "A: b\0\r\n"],
    ["DEL", "A: b\x7f\r\n"],
    ["a vertical tab", "A:\x0bb\r\n"],
  ])("with a field of %s is refused", (_what, field) => {
    expect(readBothWays(`GET / HTTP/1.1\r\n${HOST}${field}A: b\r\n\r\n`)).toMatchObject({
      requests: [],
      fault: "bad_request",
    });
  });

  test("may have a head as large as the limit, and not a byte more", () => {
    const fill = (bytes: number) => `GET / HTTP/1.1\r\nA: ${"b".repeat(bytes - 23)}\r\n\r\n`;
    expect(readBothWays(fill(HEAD_BYTES_MAX)).requests).toHaveLength(1);
    expect(readBothWays(fill(HEAD_BYTES_MAX + 1)).fault).toBe("head_too_large");
    expect(readBothWays("A".repeat(HEAD_BYTES_MAX + 1)).fault).toBe("head_too_large");
  });
});

describe("a body", () => {
  test.each([
    ["both a length and chunks", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"],
    ["chunks and no length", "Transfer-Encoding: chunked\r\nContent-Length:\r\n"],
    ["two lengths", "Content-Length: 3\r\nContent-Length: 4\r\n"],
    ["the same length twice", "Content-Length: 3\r\nContent-Length: 3\r\n"],
    ["a list of lengths", "Content-Length: 3, 3\r\n"],
    ["a signed length", "Content-Length: +3\r\n"],
    ["a negative length", "Content-Length: -3\r\n"],
    ["a hexadecimal length", "Content-Length: 0x3\r\n"],
    ["a length in two words", "Content-Length: 3 3\r\n"],
    ["a length beyond any number", "Content-Length: 99999999999999999\r\n"],
    ["an empty length", "Content-Length:\r\n"],
    ["another coding", "Transfer-Encoding: gzip\r\n"],
    ["another coding before", "Transfer-Encoding: gzip, chunked\r\n"],
    ["another coding behind", "Transfer-Encoding: chunked, identity\r\n"],
    ["two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"],
    ["a list of nothing and chunked", "Transfer-Encoding: ,chunked\r\n"],
    ["a coding with a parameter", "Transfer-Encoding: chunked;a=b\r\n"],
    ["a coding in quotes", 'Transfer-Encoding: "chunked"\r\n'],
    ["an empty coding", "Transfer-Encoding:\r\n"],
  ])("framed by %s is refused", (_what, fields) => {
    const text = `POST / HTTP/1.1\r\n${HOST}${fields}\r\n3\r\nabc\r\n0\r\n\r\n`;
    expect(readBothWays(text)).toMatchObject({ requests: [], fault: "bad_request" });
  });

  test("in chunks is refused of HTTP/1.0, which has none", () => {
    expect(readBothWays(CHUNKED.replace("1.1", "1.0"))).toMatchObject({ requests: [], fault: "bad_request" });
  });

  test("in chunks is what they hold, whatever their sizes are written like and followed by", () => {
    const { requests, fault } = readBothWays(
      `${CHUNKED}3\r\nabc\r\n00A;x="y z";\xe9\r\n0123456789\r\n00;z\r\nX-A: b\r\nx-a:c \r\n\r\n`,
    );
    expect(fault).toBeNull();
    expect(requests).toMatchObject([{ body: "abc0123456789", trailers: ["X-A", "b", "x-a", "c"] }]);
  });

  test.each([
    ["no size", "\r\nabc\r\n"],
    ["a signed size", "+3\r\nabc\r\n"],
    ["a negative size", "-3\r\nabc\r\n"],
    ["a prefixed size", "0x3\r\nabc\r\n"],
    ["a space before its size", " 3\r\nabc\r\n"],
    ["a space behind its size", "3 \r\nabc\r\n"],
    ["a space before its extension", "3 ;a\r\nabc\r\n"],
    ["more than a size", "3 x\r\nabc\r\n"],
    ["a size beyond any number", "ffffffffffffff\r\nabc\r\n"],
    ["a lone LF behind its size", "3\nabc\r\n0\r\n\r\n"],
    ["a lone LF in its extension", "3;a\nb\r\nabc\r\n"],
    ["a lone CR in its extension", "3;a\rb\r\nabc\r\n"],
    ["a NUL in its extension", "3;\0\r\nabc\r\n"],
    ["an extension without an end", `3;${"a".repeat(5_000)}`],
    ["a lone LF at its end", "3\r\nabc\n"],
    ["a lone CR at its end", "3\r\nabc\r0"],
    ["more bytes than its size", "3\r\nabcd\r\n"],
    ["fewer bytes than its size", "3\r\nab\r\n0\r\n\r\n"],
  ])("in chunks is refused for one with %s", (_what, chunk) => {
    const { requests, fault } = readBothWays(CHUNKED + chunk);
    expect(fault).toBe("bad_request");
    expect(requests).toMatchObject([{ trailers: null }]);
  });

  test.each([
    ["a length", "Content-Length: 3\r\n"],
    ["a coding", "transfer-encoding: chunked\r\n"],
    ["no colon", "abc\r\n"],
    ["a space at their beginning", " A: b\r\n"],
    ["a value that goes on", "A: b\r\n c\r\n"],
    ["a lone LF", "A: b\n"],
    ["a control character", "A: \x01\r\n"],
  ])("in chunks is refused for trailers with %s", (_what, lines) => {
    const { requests, fault } = readBothWays(`${CHUNKED}0\r\n${lines}\r\n`);
    expect(fault).toBe("bad_request");
    expect(requests).toMatchObject([{ trailers: null }]);
  });

  test("in chunks is refused for trailers that are larger than a head may be", () => {
    expect(readBothWays(`${CHUNKED}0\r\nA: ${"b".repeat(HEAD_BYTES_MAX)}`).fault).toBe("head_too_large");
  });
});

describe("a reader", () => {
  test("says where it is", () => {
    const reader = createRequestReader(HEAD_BYTES_MAX);
    const put = (text: string) => {
      putRequestBytes(reader, Buffer.from(text, "latin1"));
      const parts: string[] = [];
      for (let part = nextRequestPart(reader); part !== null; part = nextRequestPart(reader))
        parts.push(part.type);
      return [...parts, isInHead(reader), isInRequest(reader), waitingBytes(reader)];
    };
    expect(put("\r")).toEqual([false, false, 1]);
    expect(put("\n")).toEqual([false, false, 0]);
    expect(put("POST / HTTP/1.1\r\n")).toEqual([true, false, 17]);
    expect(put("Content-Length: 3\r\n\r\na")).toEqual(["head", "body", false, true, 0]);
    expect(put("bc")).toEqual(["body", "end", false, false, 0]);
  });

  test("gives back what it has not read, as what follows a handshake", () => {
    const reader = createRequestReader(HEAD_BYTES_MAX);
    putRequestBytes(reader, Buffer.from("GET / HTTP/1.1\r\n\r\n\x81\x00", "latin1"));
    expect(nextRequestPart(reader)?.type).toBe("head");
    expect(Buffer.from(takeRest(reader)).toString("latin1")).toBe("\x81\x00");
    expect(waitingBytes(reader)).toBe(0);
  });

  test("that is broken stays so, and keeps nothing of what comes", () => {
    const { reader } = read([Buffer.from("\0")]);
    putRequestBytes(reader, Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    expect(nextRequestPart(reader)).toEqual({ type: "broken", fault: "bad_request" });
    expect(waitingBytes(reader)).toBe(0);
  });

  test("shares no buffer among the pieces of a body that it gives out", () => {
    const reader = createRequestReader(HEAD_BYTES_MAX);
    putRequestBytes(reader, Buffer.from(`${CHUNKED}3\r\nabc\r\n3\r\ndef\r\n`));
    const buffers = new Set<ArrayBufferLike>();
    for (let part = nextRequestPart(reader); part !== null; part = nextRequestPart(reader)) {
      if (part.type === "body") buffers.add(part.bytes.buffer);
    }
    expect(buffers.size).toBe(2);
  });

  const piece = fc.oneof(
    fc.constantFrom(
      "GET / HTTP/1.1\r\n",
      HOST,
      "\r\n",
      "\r",
      "\n",
      "Content-Length: 3\r\n",
      "abc",
      "0\r\n\r\n",
    ),
    fc.constantFrom(
      CHUNKED,
      "3\r\nabc\r\n",
      "3;x\r\n",
      "A: b\r\n",
      " c\r\n",
      "Content-Length: 0\r\n\r\n",
      ":",
    ),
    fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
  );

  test("reads the same of any bytes, wherever they were cut, and never throws", () => {
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }),
        fc.array(fc.nat(200), { maxLength: 8 }),
        (pieces, cuts) => {
          const bytes = Buffer.from(pieces.join(""), "latin1");
          const places = [
            0,
            ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b),
            bytes.length,
          ];
          const whole = read([bytes]);
          const parts = read(places.slice(1).map((to, index) => bytes.subarray(places[index], to)));
          expect([parts.requests, parts.fault]).toEqual([whole.requests, whole.fault]);
        },
      ),
      { numRuns: 5_000 },
    );
  });

  test("reads any two valid requests behind each other as the two that they are", () => {
    const request = fc
      .record({
        method: fc.constantFrom("GET", "POST", "M-SEARCH"),
        target: fc.stringMatching(/^\/[!-~]{0,20}$/),
        value: fc.stringMatching(/^(?:[!-~]([ !-~]{0,20}[!-~])?)?$/),
        chunks: fc.array(fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 20 }), { maxLength: 3 }),
        isChunked: fc.boolean(),
      })
      .map((each) => {
        const body = each.chunks.join("");
        const framing = each.isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length}`;
        const lines = each.chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("");
        const head = `${each.method} ${each.target} HTTP/1.1\r\nX-A: ${each.value}\r\n${framing}\r\n\r\n`;
        return { ...each, body, text: head + (each.isChunked ? `${lines}0\r\n\r\n` : body) };
      });
    fc.assert(
      fc.property(request, request, (first, second) => {
        const { requests, fault } = readBothWays(first.text + second.text);
        expect(fault).toBeNull();
        expect(requests.map(({ head, body }) => [head.method, head.target, head.headers[1], body])).toEqual(
          [first, second].map(({ method, target, value, body }) => [method, target, value, body]),
        );
      }),
    );
  });
});
