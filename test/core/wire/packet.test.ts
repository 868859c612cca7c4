import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvariantError } from "../../../core/assert.ts";
import {
  decodePacket,
  decodeTextPacket,
  encodePacketHeader,
  type Packet,
  type PacketProblem,
  parseWireId,
} from "../../../core/wire/packet.ts";

const HEADER_BYTES_MAX = 64 * 1024;
const U64_MAX = 2n ** 64n - 1n;

type Vector = {
  readonly name: string;
  readonly frame?: string;
  readonly text?: string;
  readonly expect:
    | "protocol error"
    | {
        readonly requestId: string;
        readonly packetId: number;
        readonly last: boolean;
        readonly status: number | null;
        readonly headers: Readonly<Record<string, string>> | null;
        readonly body: string;
      };
};
const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL("moosicbox-vectors.json", import.meta.url), "utf8"),
);

function decodeVector(vector: Vector): Packet | PacketProblem {
  if (vector.frame !== undefined) return decodePacket(hex(vector.frame), HEADER_BYTES_MAX);
  return decodeTextPacket(vector.text ?? "", HEADER_BYTES_MAX);
}

function hex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits, "hex"));
}

function packetOf(decoded: Packet | PacketProblem): Packet {
  if (decoded.type === "problem") throw new Error(decoded.detail);
  return decoded;
}

const anyId = fc
  .oneof(fc.bigInt({ min: 0n, max: U64_MAX }), fc.bigInt({ min: 2n ** 53n - 2n, max: 2n ** 53n + 2n }))
  .map((id) => parseWireId(String(id)) ?? 0);
const anyToken = fc.string({ unit: fc.constantFrom(..."aZ09-_.!#$%&'*+^`|~"), minLength: 1, maxLength: 12 });
const anyValue = fc.string({ unit: fc.constantFrom(...'\t "\\{}|~azÀÿ\u0080'), maxLength: 20 });
const anyHead = fc.record({
  status: fc.integer({ min: 100, max: 999 }),
  headers: fc
    .uniqueArray(fc.tuple(anyToken, anyValue), { selector: ([name]) => name, maxLength: 8 })
    // Parsed JSON puts names that look like array indices first; such names are no headers anybody sends.
    .map((pairs) => pairs.filter(([name]) => !/^\d+$/.test(name)).flat()),
});
const anyFirst = fc.record({
  requestId: anyId,
  packetId: fc.constant(1),
  last: fc.boolean(),
  head: anyHead,
});
const anyLater = fc.record({
  requestId: anyId,
  packetId: fc.integer({ min: 2, max: 2 ** 32 - 1 }),
  last: fc.boolean(),
  head: fc.constant(null),
});
const anyHeader = fc.oneof(anyFirst, anyLater);
const anyBody = fc.uint8Array({ maxLength: 100 });

function join(header: Uint8Array, body: Uint8Array): Uint8Array {
  return Uint8Array.from([...header, ...body]);
}

describe("the vectors of the MoosicBox protocol", () => {
  it.each(vectors)("decodes: $name", (vector) => {
    const decoded = decodeVector(vector);
    if (vector.expect === "protocol error") {
      return expect(decoded).toMatchObject({ type: "problem", code: "agent_protocol" });
    }
    const { status, headers, body, requestId, packetId, last } = vector.expect;
    const packet = packetOf(decoded);
    expect({ ...packet, body: Buffer.from(packet.body).toString("hex") }).toEqual({
      type: "packet",
      requestId: parseWireId(requestId),
      packetId,
      last,
      head: status === null ? null : { status, headers: Object.entries(headers ?? {}).flat() },
      body,
    });
  });

  it.each(vectors.filter(({ frame }) => frame !== undefined))("encodes: $name", (vector) => {
    if (vector.expect === "protocol error") return expect(decodeVector(vector).type).toBe("problem");
    const { status, headers, body, requestId, packetId, last } = vector.expect;
    const header = encodePacketHeader({
      requestId: parseWireId(requestId) ?? 0,
      packetId,
      last,
      head: status === null ? null : { status, headers: Object.entries(headers ?? {}).flat() },
    });
    expect(Buffer.from(header).toString("hex") + body).toBe(vector.frame);
  });
});

describe("decodePacket", () => {
  it("reads back what was encoded", () => {
    fc.assert(
      fc.property(anyHeader, anyBody, (header, body) => {
        const decoded = decodePacket(join(encodePacketHeader(header), body), HEADER_BYTES_MAX);
        expect(decoded).toEqual({ type: "packet", ...header, body });
      }),
      { numRuns: 500 },
    );
  });

  it("never throws, and hands out a body that is the end of the message itself", () => {
    const mutated = fc
      .tuple(anyHeader, anyBody, fc.nat(60), fc.nat(255), fc.nat(200))
      .map(([header, body, at, byte, length]) => {
        const bytes = join(encodePacketHeader(header), body);
        if (at < bytes.length) bytes[at] = byte;
        return bytes.subarray(0, length);
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), mutated), (bytes) => {
        const decoded = decodePacket(bytes, HEADER_BYTES_MAX);
        if (decoded.type === "problem") return;
        expect(decoded.body.buffer).toBe(bytes.buffer);
        expect(decoded.body.byteOffset).toBeGreaterThanOrEqual(bytes.byteOffset + 13);
        expect(decoded.body.byteOffset + decoded.body.length).toBe(bytes.byteOffset + bytes.length);
      }),
      { numRuns: 3_000 },
    );
  });

  it("reads nothing outside the view it is given", () => {
    fc.assert(
      fc.property(anyHeader, anyBody, fc.nat(80), fc.nat(255), (header, body, length, poison) => {
        const whole = join(encodePacketHeader(header), body);
        const end = Math.min(length, whole.length);
        const surrounded = new Uint8Array(end + 64).fill(poison);
        surrounded.set(whole.subarray(0, end), 32);
        const decoded = decodePacket(surrounded.subarray(32, 32 + end), HEADER_BYTES_MAX);
        expect(decoded).toEqual(decodePacket(whole.slice(0, end), HEADER_BYTES_MAX));
      }),
    );
  });

  it("T06 refuses a first packet cut at any byte of its head, and names the exchange where it can", () => {
    const head = { status: 200, headers: ["content-type", "audio/flac"] };
    const whole = encodePacketHeader({ requestId: 77, packetId: 1, last: false, head });
    for (let length = 0; length < whole.length; length++) {
      expect(decodePacket(whole.subarray(0, length), HEADER_BYTES_MAX)).toMatchObject({
        type: "problem",
        code: "agent_protocol",
        requestId: length < 13 ? null : 77,
      });
    }
  });

  it.each([
    ["T06 a length of headers that lies", "000000000000000100000001000000c8ffffffff7b7d"],
    ["T06 a last flag with reserved bits set", "000000000000000100000002 02 78"],
    ["T06 a length of headers one beyond the end", "00000000000000010000000100 00c8 00000003 7b7d"],
    ["a status of 99", "00000000000000010000000100 0063 00000002 7b7d"],
    ["a status of 1000", "00000000000000010000000100 03e8 00000002 7b7d"],
    ["headers that are an array", "00000000000000010000000100 00c8 00000002 5b5d"],
    ["headers that are null", "00000000000000010000000100 00c8 00000004 6e756c6c"],
    ["headers that are not UTF-8", "00000000000000010000000100 00c8 00000003 7bff7d"],
  ])("refuses %s", (_name, digits) => {
    const decoded = decodePacket(hex(digits.replaceAll(" ", "")), HEADER_BYTES_MAX);
    expect(decoded).toMatchObject({ type: "problem", requestId: 1, code: "agent_protocol" });
  });

  it.each([
    ["an empty name", '{"":"x"}'],
    ["a name with a space", '{"a b":"x"}'],
    ["a value with CR LF", '{"a":"x\\r\\nset-cookie: y"}'],
    ["a value with NUL", '{"a":"\\u0000"}'],
    ["a value beyond Latin-1", '{"a":"€"}'],
    ["a value that is a number", '{"a":1}'],
    ["a value that is a list", '{"a":["x"]}'],
  ])("H10 refuses headers with %s, whole", (_name, json) => {
    const text = Buffer.from(json);
    const fixed = hex("0000000000000001000000010000c8");
    const length = Uint8Array.of(0, 0, 0, text.length);
    const decoded = decodePacket(join(join(fixed, length), text), HEADER_BYTES_MAX);
    expect(decoded).toMatchObject({ type: "problem", requestId: 1, code: "agent_protocol" });
  });

  it("tells headers beyond the limit apart from a broken protocol, before parsing them", () => {
    const head = { status: 200, headers: ["a", "x".repeat(100)] };
    const bytes = encodePacketHeader({ requestId: 5, packetId: 1, last: true, head });
    const headerBytes = bytes.length - 19;
    expect(decodePacket(bytes, headerBytes).type).toBe("packet");
    expect(decodePacket(bytes, headerBytes - 1)).toMatchObject({
      type: "problem",
      requestId: 5,
      code: "limit_response_headers",
    });
  });

  it("keeps names of headers as sent, also those with a meaning in JavaScript", () => {
    const head = { status: 200, headers: ["X-Odd-CASE", "1", "__proto__", "2", "constructor", "3"] };
    const bytes = encodePacketHeader({ requestId: 5, packetId: 1, last: true, head });
    expect(packetOf(decodePacket(bytes, HEADER_BYTES_MAX)).head).toEqual(head);
  });
});

describe("decodeTextPacket", () => {
  it("means the same as the binary form", () => {
    fc.assert(
      fc.property(anyHeader, anyBody, fc.boolean(), fc.boolean(), (header, body, bar, secondBar) => {
        const { requestId, packetId, last, head } = header;
        const headers = encodePacketHeader(header).subarray(19);
        const first = head === null ? "" : `${head.status}${bar ? "|" : ""}${Buffer.from(headers)}`;
        const separator = head !== null && secondBar ? "|" : "";
        const base64 = Buffer.from(body).toString("base64");
        const text = `TUNNEL_RESPONSE:${requestId}|${packetId}|${last ? 1 : 0}${first}${separator}${base64}`;
        expect(decodeTextPacket(text, HEADER_BYTES_MAX)).toEqual({ type: "packet", ...header, body });
      }),
    );
  });

  it("never throws", () => {
    const pieces = fc.constantFrom("1", "|", "0", "200", "{", "}", '"a"', ":", "b2s=", "=", " ");
    const nearlyPacket = fc.array(pieces).map((parts) => `TUNNEL_RESPONSE:1|${parts.join("")}`);
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearlyPacket), (text) => {
        expect(["packet", "problem"]).toContain(decodeTextPacket(text, HEADER_BYTES_MAX).type);
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    ["no prefix", "1|1|0200{}", null],
    ["a request id beyond 64 bits", "TUNNEL_RESPONSE:18446744073709551616|2|0", null],
    ["a negative request id", "TUNNEL_RESPONSE:-1|2|0", null],
    ["the packet number 0", "TUNNEL_RESPONSE:1|0|0", 1],
    ["a packet number beyond 32 bits", "TUNNEL_RESPONSE:1|4294967296|0", 1],
    ["a last flag of 2", "TUNNEL_RESPONSE:1|2|2", 1],
    ["a body that is not base64", "TUNNEL_RESPONSE:1|2|0b2s", 1],
    ["a first packet without a status", "TUNNEL_RESPONSE:1|1|0{}", 1],
    ["a first packet without headers", "TUNNEL_RESPONSE:1|1|0200", 1],
    ["headers without an end", 'TUNNEL_RESPONSE:1|1|0200{"a":"b"', 1],
    ["a body behind two separators", "TUNNEL_RESPONSE:1|1|0200{}||b2s=", 1],
  ])("refuses %s", (_name, text, requestId) => {
    const decoded = decodeTextPacket(text, HEADER_BYTES_MAX);
    expect(decoded).toMatchObject({ type: "problem", requestId, code: "agent_protocol" });
  });

  it("bounds the headers like the binary form", () => {
    const text = `TUNNEL_RESPONSE:9|1|0200${JSON.stringify({ a: "x".repeat(100) })}`;
    expect(decodeTextPacket(text, 108).type).toBe("packet");
    expect(decodeTextPacket(text, 107)).toMatchObject({ requestId: 9, code: "limit_response_headers" });
  });
});

describe("encodePacketHeader", () => {
  const head = { status: 200, headers: [] };
  it.each([
    ["a first packet without a head", { requestId: 1, packetId: 1, last: false, head: null }],
    ["a later packet with a head", { requestId: 1, packetId: 2, last: false, head }],
    ["the packet number 0", { requestId: 1, packetId: 0, last: false, head: null }],
    ["a packet number beyond 32 bits", { requestId: 1, packetId: 2 ** 32, last: false, head: null }],
    ["a negative request id", { requestId: -1, packetId: 2, last: false, head: null }],
    ["a request id that was rounded", { requestId: 2 ** 53, packetId: 2, last: false, head: null }],
    ["a request id beyond 64 bits", { requestId: U64_MAX + 1n, packetId: 2, last: false, head: null }],
    ["a status of 99", { requestId: 1, packetId: 1, last: false, head: { status: 99, headers: [] } }],
    [
      "H14 a repeated header, of which one would be lost",
      { requestId: 1, packetId: 1, last: false, head: { status: 200, headers: ["a", "1", "a", "2"] } },
    ],
  ])("does not let the agent send %s", (_name, packet) => {
    expect(() => encodePacketHeader(packet)).toThrow(InvariantError);
  });
});

describe("parseWireId", () => {
  it("keeps every bit, as a number where that is exact", () => {
    const small = fc.maxSafeNat().map(BigInt);
    const aroundTheEdges = fc
      .tuple(fc.constantFrom(2n ** 53n, 2n ** 64n), fc.integer({ min: -3, max: 3 }))
      .map(([edge, distance]) => edge + BigInt(distance));
    fc.assert(
      fc.property(fc.oneof(small, aroundTheEdges, fc.bigInt({ min: 0n, max: 2n ** 66n })), (id) => {
        const exact = id <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(id) : id;
        expect(parseWireId(String(id))).toBe(id > U64_MAX ? null : exact);
      }),
    );
  });

  it.each(["", "-1", "+1", "1.0", "1e3", "0x1", " 1", "1 ", "١", "NaN", "1".repeat(21)])(
    "refuses %j",
    (text) => {
      expect(parseWireId(text)).toBeNull();
    },
  );
});
