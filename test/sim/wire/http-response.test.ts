import { describe, expect, test } from "vitest";
import { latin1Bytes, latin1Text } from "../../../sim/tools/text.ts";
import { type Asked, ResponseReader } from "../../../sim/wire/http-response.ts";

const DATE = "Date: Thu, 01 Jan 1970 00:00:00 GMT";
const GET: Asked = { method: "GET", minorVersion: 1 };

/** All that is read of the lines, in short: statuses, body text, trailers, or that it is malformed. */
function read(bytes: string, asked = GET, pieceBytes = bytes.length): string[] {
  const reader = new ResponseReader();
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    reader.put(latin1Bytes(bytes.slice(at, at + pieceBytes)));
    for (let part = reader.next(asked); part !== null; part = reader.next(asked)) {
      if (part.type === "head") parts.push(`${part.status}${part.closes ? " last" : ""}`);
      else if (part.type === "interim") parts.push(`${part.status} interim`);
      else if (part.type === "body") parts.push(latin1Text(part.bytes));
      else if (part.type === "end") parts.push(["end", ...part.trailers].join(" "));
      else parts.push("malformed");
      if (part.type === "malformed") return parts;
    }
  }
  return parts;
}

function response(status: string, ...fields: readonly string[]): string {
  return [`HTTP/1.1 ${status}`, DATE, ...fields, "", ""].join("\r\n");
}

describe("a response", () => {
  test.each([
    ["with a length", `${response("200 OK", "Content-Length: 5")}hello`, ["200", "hello", "end"]],
    [
      "in chunks",
      `${response("200 OK", "Transfer-Encoding: chunked")}5\r\nhello\r\n0\r\n\r\n`,
      ["200", "hello", "end"],
    ],
    [
      "with trailers",
      `${response("200 OK", "Transfer-Encoding: chunked")}0\r\nx-a: b\r\n\r\n`,
      ["200", "end x-a b"],
    ],
    ["that is the last", response("204 No Content", "Connection: close"), ["204 last", "end"]],
    [
      "behind an interim one",
      `HTTP/1.1 103 Early Hints\r\n\r\n${response("304 Not Modified")}`,
      ["103 interim", "304", "end"],
    ],
    [
      "that switches",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nraw",
      ["101 last", "raw"],
    ],
  ])("%s is read, wherever it is cut", (_, bytes, parts) => {
    expect(read(bytes)).toEqual(parts);
    expect(read(bytes, GET, 1).join("|").replace("h|e|l|l|o", "hello").replace("r|a|w", "raw")).toBe(
      parts.join("|"),
    );
  });

  test("without a length goes on to the end of a connection of HTTP/1.0", () => {
    expect(read(`${response("200 OK")}all of it`, { method: "GET", minorVersion: 0 })).toEqual([
      "200 last",
      "all of it",
    ]);
  });

  test("to HEAD has no body, whatever its length says", () => {
    expect(read(response("200 OK", "Content-Length: 5"), { method: "HEAD", minorVersion: 1 })).toEqual([
      "200",
      "end",
    ]);
  });

  test.each([
    ["a lone line feed", "HTTP/1.1 200 OK\nDate: x\r\n\r\n"],
    ["no reason's space", response("200")],
    ["another version", `HTTP/1.0 200 OK\r\n${DATE}\r\n\r\n`],
    ["a space before the colon", response("200 OK", "Content-Length : 0")],
    ["a folded line", response("200 OK", "x-a: b", " c")],
    ["two lengths", response("200 OK", "Content-Length: 0", "Content-Length: 0")],
    ["a length and chunks", response("200 OK", "Content-Length: 0", "Transfer-Encoding: chunked")],
    ["a length of 204", response("204 No Content", "Content-Length: 0")],
    ["chunks of 304", response("304 Not Modified", "Transfer-Encoding: chunked")],
    ["no end of the body", response("200 OK")],
    ["no date", "HTTP/1.1 204 No Content\r\n\r\n"],
    ["a chunk that is too long", `${response("200 OK", "Transfer-Encoding: chunked")}1\r\nab\r\n0\r\n\r\n`],
    ["a chunk without a size", `${response("200 OK", "Transfer-Encoding: chunked")}\r\n`],
  ])("with %s is malformed", (_, bytes) => {
    expect(read(bytes).at(-1)).toBe("malformed");
  });

  test("to HTTP/1.0 is neither interim nor in chunks", () => {
    const old: Asked = { method: "GET", minorVersion: 0 };
    expect(read("HTTP/1.1 100 Continue\r\n\r\n", old)).toEqual(["malformed"]);
    expect(read(response("200 OK", "Transfer-Encoding: chunked"), old)).toEqual(["malformed"]);
  });
});
