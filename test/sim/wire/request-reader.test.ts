import { describe, expect, test } from "vitest";
import { latin1Bytes, latin1Text } from "../../../sim/tools/text.ts";
import { type RequestPart, RequestReader } from "../../../sim/wire/request-reader.ts";

/** All parts of a text that comes in pieces of so many bytes; bodies joined, as text. */
function read(text: string, pieceBytes = text.length): (RequestPart["type"] | string)[] {
  const reader = new RequestReader();
  const seen: string[] = [];
  for (let at = 0; at < text.length; at += pieceBytes) {
    reader.put(latin1Bytes(text.slice(at, at + pieceBytes)));
    for (let part = reader.next(); part !== null; part = reader.next()) {
      if (part.type === "head") seen.push(`${part.method} ${part.target} ${part.headers.join("|")}`);
      else if (part.type === "end") seen.push(`end ${part.trailers.join("|")}`);
      else if (part.type === "malformed") seen.push(`malformed: ${part.why}`);
      else if (seen.at(-1)?.startsWith("body ")) seen.push(`${seen.pop()}${latin1Text(part.bytes)}`);
      else seen.push(`body ${latin1Text(part.bytes)}`);
    }
  }
  return seen;
}

const HOST = "Host: a\r\n";

describe("a home's reader of requests", () => {
  const requests = [
    `GET / HTTP/1.1\r\n${HOST}\r\n`,
    `POST /a?b HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`,
    `PUT /c HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nx-end: sum\r\n\r\n`,
  ].join("");

  test.each([1, 2, 7, 1_000])("tells requests apart that come in pieces of %i bytes", (pieceBytes) => {
    expect(read(requests, pieceBytes)).toEqual([
      "GET / Host|a",
      "POST /a?b Host|a|Content-Length|5",
      "body hello",
      "end ",
      "PUT /c Host|a|Transfer-Encoding|chunked",
      "body abc0123456789",
      "end x-end|sum",
    ]);
  });

  test.each([
    ["no host", "GET / HTTP/1.1\r\n\r\n"],
    ["two hosts", `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`],
    ["another version", `GET / HTTP/1.0\r\n${HOST}\r\n`],
    ["no target", `GET HTTP/1.1\r\n${HOST}\r\n`],
    ["two lengths", `GET / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 1\r\n\r\n`],
    [
      "a length and chunks",
      `GET / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    ],
    ["a length that is none", `GET / HTTP/1.1\r\n${HOST}Content-Length: 1x\r\n\r\n`],
    ["another coding", `GET / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip\r\n\r\n`],
    ["a field without a name", `GET / HTTP/1.1\r\n${HOST}: b\r\n\r\n`],
    [
      "a chunk longer than its size",
      `GET / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n`,
    ],
    ["a chunk of no size", `GET / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nx\r\n`],
    ["the rest of a body", "ody\r\n\r\n"],
  ])("takes no request with %s", (_, text) => {
    expect(read(text).at(-1)).toMatch(/^malformed: /);
  });

  test("reads no HTTP any more behind a switch of protocols", () => {
    const reader = new RequestReader();
    reader.put(latin1Bytes(`GET / HTTP/1.1\r\n${HOST}\r\n`));
    expect(reader.next()?.type).toBe("head");
    reader.switch();
    reader.put(latin1Bytes("GET"));
    expect(reader.next()).toEqual({ type: "body", bytes: latin1Bytes("GET") });
  });
});
