import { describe, expect, test } from "vitest";
import { headerValues } from "../../../core/http/headers.ts";
import {
  createReader,
  endBytes,
  expectResponse,
  nextPart,
  putBytes,
} from "../../../core/http1/response-reader.ts";
import {
  type Asked,
  bareHead,
  chunkLine,
  type Framing,
  frameResponse,
  type HeadOptions,
  lastChunk,
} from "../../../core/http1/response-writer.ts";
import { below, createPrng, type Prng } from "../../../core/prng.ts";
import { CONTENT, chance, pick, text } from "./generated-parts.ts";
import { readByNode } from "./node-reader.ts";

const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";

function frame(asked: Partial<Asked> = {}, options: Partial<HeadOptions> = {}): Framing {
  return frameResponse(
    { method: "GET", minorVersion: 1, persistent: true, ...asked },
    { status: 200, headers: [], close: false, date: DATE, idleSeconds: 75, ...options },
  );
}

describe("the head of a response", () => {
  test("has a reason phrase, or says that it knows none", () => {
    expect(frame({}, { status: 404 }).head).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
    expect(frame({}, { status: 299 }).head).toMatch(/^HTTP\/1\.1 299 Unknown\r\n/);
  });

  test("has its fields in order, spelling and duplicates kept, before those of this hop", () => {
    const { head } = frame({}, { headers: ["Set-Cookie", "a", "x-A", "", "Set-Cookie", "b"] });
    expect(head).toBe(
      `HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nx-A: \r\nSet-Cookie: b\r\nDate: ${DATE}\r\n` +
        "Connection: keep-alive\r\nKeep-Alive: timeout=75\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
  });

  test("has the origin's date where it gave one", () => {
    expect(frame({}, { headers: ["DATE", "then"] }).head.match(/date: .*/gi)).toEqual(["DATE: then"]);
  });

  test("says close once, and nothing of keeping, where the connection ends", () => {
    const { head, closes } = frame({}, { close: true });
    expect(closes).toBe(true);
    expect(head).toContain("connection: close\r\n");
    expect(head).not.toMatch(/keep-alive/i);
  });

  test("announces trailers only where there can be some", () => {
    const trailer = ["Trailer", "X-A"];
    expect(frame({}, { headers: trailer }).head).toContain("Trailer: X-A");
    expect(frame({}, { headers: [...trailer, "content-length", "3"] }).head).not.toContain("Trailer");
    expect(frame({ minorVersion: 0 }, { headers: trailer }).head).not.toContain("Trailer");
    expect(frame({ method: "HEAD" }, { headers: trailer }).head).not.toContain("Trailer");
  });

  test("that is an interim one's has its own fields and no others", () => {
    expect(bareHead(103, ["Link", "</a>"])).toBe("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    expect(bareHead(100, [])).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  });
});

describe("the framing of a body", () => {
  test.each([
    ["GET", 1, 200, [], "chunked", false],
    ["GET", 1, 200, ["content-length", "3"], "plain", false],
    ["GET", 1, 200, ["Content-Length", "0"], "plain", false],
    ["GET", 0, 200, [], "plain", true],
    ["GET", 0, 200, ["content-length", "3"], "plain", false],
    ["HEAD", 1, 200, [], "none", false],
    ["HEAD", 0, 200, [], "none", false],
    ["HEAD", 1, 200, ["content-length", "3"], "none", false],
    ["GET", 1, 204, [], "none", false],
    ["GET", 1, 304, ["content-length", "3"], "none", false],
    ["GET", 0, 304, [], "none", false],
  ] as const)("for %s with HTTP/1.%i, %i and %j is %s, and ends the connection: %s", (...row) => {
    const [method, minorVersion, status, headers, body, closes] = row;
    expect(frame({ method, minorVersion }, { status, headers })).toMatchObject({ body, closes });
    expect(frame({ method, minorVersion, persistent: false }, { status, headers })).toMatchObject({
      body,
      closes: true,
    });
  });

  test("in chunks has their sizes in hexadecimal, and its trailers behind the last", () => {
    expect(chunkLine(255)).toBe("ff\r\n");
    expect(lastChunk([])).toBe("0\r\n\r\n");
    expect(lastChunk(["X-A", "b", "X-A", "c"])).toBe("0\r\nX-A: b\r\nX-A: c\r\n\r\n");
  });
});

type Written = {
  readonly asked: Asked;
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  readonly framing: Framing;
  readonly text: string;
};

/** A response as the server may order it, and what is written for it. */
function generate(seed: number): Written {
  const prng = createPrng(seed);
  const asked: Asked = {
    method: pick(prng, ["GET", "GET", "POST", "HEAD"]),
    minorVersion: chance(prng, 20) ? 0 : 1,
    persistent: !chance(prng, 20),
  };
  const status = pick(prng, [200, 200, 200, 204, 206, 304, 404, 426, 500, 599]);
  const pieces = Array.from({ length: below(prng, 4) }, () => text(prng, CONTENT, 40)).filter(
    (piece) => piece !== "",
  );
  const content = pieces.join("");
  const length = chance(prng, 40) && status !== 204 ? ["content-length", String(content.length)] : [];
  const headers = [...fieldList(prng), ...length, ...fieldList(prng)];
  const given = fieldList(prng);
  const framing = frame(asked, { status, headers, close: chance(prng, 20) });
  const isChunked = framing.body === "chunked";
  const body = isChunked
    ? pieces.map((piece) => `${chunkLine(piece.length)}${piece}\r\n`).join("") + lastChunk(given)
    : content;
  return {
    asked,
    status,
    headers,
    body: framing.body === "none" ? "" : content,
    trailers: isChunked ? given : [],
    framing,
    text: framing.head + (framing.body === "none" ? "" : body),
  };
}

function fieldList(prng: Prng): string[] {
  const names = ["X-A", "x-a", "Set-Cookie", "Date", "Upgrade", "ETag", "Vary"];
  const values = ["", "a", "a b\tc", "\xe9\xff", '"x", ;=', "a: b", "chunked", "0"];
  return Array.from({ length: below(prng, 3) }, () => [pick(prng, names), pick(prng, values)]).flat();
}

describe("twenty thousand generated responses", () => {
  test("are read by Node's client as what was ordered, each as one and as a whole", async () => {
    for (let seed = 1; seed <= 20_000; seed++) {
      const written = generate(seed);
      const { asked, status, headers, body, trailers, framing } = written;
      const bytes = Buffer.from(written.text, "latin1");
      const read = await readByNode([bytes], { method: asked.method, upgrade: false, lenient: false });
      const context = JSON.stringify({ seed, written, read });
      expect(read, context).toMatchObject({
        interims: [],
        head: { status },
        body,
        trailers,
        end: "complete",
      });
      const fields = read.head?.headers ?? [];
      expect(fields.slice(0, headers.length), context).toEqual(headers);
      const options = headerValues(fields, "connection");
      expect(options.includes("close"), context).toBe(framing.closes);
    }
  }, 300_000);

  test("end where they say, so that another may follow on a connection that stays", () => {
    for (let seed = 1; seed <= 20_000; seed++) {
      const { asked, framing, text: whole } = generate(seed);
      const reader = createReader(64 * 1024);
      expectResponse(reader, asked.method, false);
      putBytes(reader, Buffer.from(whole, "latin1"));
      if (framing.closes) endBytes(reader);
      const parts: string[] = [];
      for (let part = nextPart(reader); part !== null; part = nextPart(reader)) parts.push(part.type);
      expect([seed, parts.at(-1), reader.surplus]).toEqual([seed, "end", false]);
    }
  });
});
