import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ResponseCounter } from "./response-counter.ts";

type Response = { readonly status: number; readonly pieces: readonly number[]; readonly chunked: boolean };

const responses = fc.array(
  fc.record({
    status: fc.constantFrom(200, 404, 502),
    pieces: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 4 }),
    chunked: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4 },
);

describe("ResponseCounter", () => {
  it("counts every response and its body, wherever the stream is split", () => {
    fc.assert(
      fc.property(responses, fc.array(fc.nat(), { maxLength: 12 }), (list, cuts) => {
        const stream = Buffer.concat(list.map(encode));
        const counter = new ResponseCounter();
        let at = 0;
        for (const cut of [
          ...cuts.map((cut) => cut % stream.length).toSorted((a, b) => a - b),
          stream.length,
        ]) {
          // A buffer of its own that is overwritten afterwards, as a socket's read buffer is.
          const read = Buffer.from(stream.subarray(at, cut));
          counter.feed(read);
          read.fill(0);
          at = cut;
        }
        const last = list.at(-1);
        expect(counter.completed).toBe(list.length);
        expect(counter.status).toBe(last?.status);
        expect(counter.bodyBytes).toBe(last?.pieces.reduce((sum, length) => sum + length, 0));
      }),
    );
  });

  it("does not count a response whose end is missing", () => {
    for (const chunked of [false, true]) {
      const whole = encode({ status: 200, pieces: [10], chunked });
      const counter = new ResponseCounter();
      counter.feed(whole.subarray(0, -1));
      expect(counter.completed).toBe(0);
    }
  });

  it("refuses what it cannot frame", () => {
    for (const text of [
      "HTTP/1.1 200 OK\r\n\r\n",
      "SSH-2.0-OpenSSH\r\n\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n",
    ]) {
      expect(() => new ResponseCounter().feed(Buffer.from(text)), text).toThrow();
    }
  });
});

function encode({ status, pieces, chunked }: Response): Buffer {
  const total = pieces.reduce((sum, length) => sum + length, 0);
  // A body that looks like framing must not be taken for it.
  const body = (length: number): string => "\r\n0\r\n\r\nHTTP/1.1 ".repeat(length).slice(0, length);
  if (!chunked) return Buffer.from(`HTTP/1.1 ${status} X\r\nContent-Length: ${total}\r\n\r\n${body(total)}`);
  const chunks = pieces.map((length) => `${length.toString(16)}\r\n${body(length)}\r\n`).join("");
  return Buffer.from(
    `HTTP/1.1 ${status} X\r\nvia: t\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\nx-end: 1\r\n\r\n`,
  );
}
