import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeHello,
  decodeNodes,
  decodeWelcome,
  encodeHello,
  encodeNodes,
  encodeWelcome,
  FRAME,
  frameKind,
  readU32,
  readU48,
  U48_MAX,
  writeU32,
  writeU48,
} from "../../../core/wire/native.ts";
import {
  decodeHeaderList,
  decodeRequestHead,
  decodeResponseHead,
  headerListBytes,
  requestHeadBytes,
  responseHeadBytes,
  writeHeaderList,
  writeRequestHead,
  writeResponseHead,
} from "../../../core/wire/native-head.ts";

const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
const headers = fc.array(fc.tuple(latin1, latin1), { maxLength: 8 }).map((fields): string[] => fields.flat());
const TICKET = "0123456789abcdef0123456789abcdef";

const requestHead = fc.record({
  upgrade: fc.boolean(),
  creditBytes: fc.integer({ min: 0, max: U48_MAX }),
  method: latin1,
  target: latin1,
  peer: latin1,
  headers,
});

function requestSection(head: Parameters<typeof writeRequestHead>[2]): Uint8Array {
  const bytes = new Uint8Array(requestHeadBytes(head));
  expect(writeRequestHead(bytes, 0, head)).toBe(bytes.length);
  return bytes;
}

describe("numbers of culvert.1", () => {
  it("come back as they were written, to their full width", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: U48_MAX }), fc.nat(5), (value, at) => {
        const bytes = new Uint8Array(12);
        writeU48(bytes, at, value);
        expect(readU48(bytes, at)).toBe(value);
        writeU32(bytes, at, value);
        expect(readU32(bytes, at)).toBe(value % 2 ** 32);
      }),
    );
  });
});

describe("heads of culvert.1", () => {
  it("come back with order, duplicates, spelling and all of Latin-1", () => {
    fc.assert(
      fc.property(requestHead, (head) => {
        expect(decodeRequestHead(requestSection(head))).toEqual(head);
      }),
    );
    fc.assert(
      fc.property(fc.nat(65_535), headers, (status, list) => {
        const bytes = new Uint8Array(responseHeadBytes({ status, headers: list }));
        expect(writeResponseHead(bytes, 0, { status, headers: list })).toBe(bytes.length);
        expect(decodeResponseHead(bytes)).toEqual({ status, headers: list });
      }),
    );
  });

  it.each([127, 128, 16_383, 16_384, 2_097_152])("carry a value of %d bytes", (length) => {
    const list = ["x", "v".repeat(length)];
    const bytes = new Uint8Array(headerListBytes(list));
    expect(writeHeaderList(bytes, 0, list)).toBe(bytes.length);
    expect(decodeHeaderList(bytes)).toEqual(list);
  });

  it("T06 are refused when cut at any byte, and when followed by one more", () => {
    const head = {
      upgrade: true,
      creditBytes: 7,
      method: "GET",
      target: "/",
      peer: "::1",
      headers: ["a", "b"],
    };
    const whole = requestSection(head);
    for (let end = 0; end < whole.length; end++) expect(decodeRequestHead(whole.subarray(0, end))).toBeNull();
    expect(decodeRequestHead(new Uint8Array([...whole, 0]))).toBeNull();
    expect(decodeRequestHead(new Uint8Array([2, ...whole.subarray(1)]))).toBeNull();
    const list = new Uint8Array(headerListBytes(["a", "bc"]));
    writeHeaderList(list, 0, ["a", "bc"]);
    for (let end = 0; end < list.length; end++) expect(decodeHeaderList(list.subarray(0, end))).toBeNull();
    expect(decodeHeaderList(new Uint8Array([...list, 0]))).toBeNull();
  });

  it("T06 never throw on any bytes, and never believe a count or a length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        decodeRequestHead(bytes);
        decodeResponseHead(bytes);
        decodeHeaderList(bytes);
      }),
      { numRuns: 2_000 },
    );
    expect(decodeHeaderList(new Uint8Array([0xff, 0xff, 0xff, 0x7f]))).toBeNull();
    expect(decodeHeaderList(new Uint8Array([1, 0xff, 0xff, 0xff, 0x7f]))).toBeNull();
    expect(decodeHeaderList(new Uint8Array([0x80, 0x80, 0x80, 0x80, 0]))).toBeNull();
  });

  it("never turn a character beyond Latin-1 into a line break", () => {
    const list = ["x", "a\u010ab"];
    const bytes = new Uint8Array(headerListBytes(list));
    writeHeaderList(bytes, 0, list);
    expect(decodeHeaderList(bytes)).toEqual(["x", "a?b"]);
  });
});

describe("hello and welcome", () => {
  it("come back as they were written", () => {
    const hello = { windowBytes: 262_144, ticket: null, host: null };
    expect(frameKind(encodeHello(hello))).toBe(FRAME.hello);
    expect(decodeHello(encodeHello(hello))).toEqual(hello);
    const asking = { windowBytes: 1, ticket: TICKET, host: "photos.example.org" };
    expect(decodeHello(encodeHello(asking))).toEqual(asking);
    const welcome = { ticket: TICKET, resumed: true, graceMs: 30_000, idleMs: 300_000 };
    expect(frameKind(encodeWelcome(welcome))).toBe(FRAME.welcome);
    expect(decodeWelcome(encodeWelcome(welcome))).toEqual(welcome);
    for (const ways of [
      { host: "home.tunnel.test", path: null },
      { host: null, path: "/t/h%C3%B6me%20(1)/" },
    ]) {
      expect(decodeWelcome(encodeWelcome({ ...welcome, ways }))).toEqual({ ...welcome, ways });
    }
  });

  it("lets a welcome of version 0.1 tell no idle time", () => {
    const json = `{"ticket":"${TICKET}","resumed":false,"graceMs":5}`;
    expect(decodeWelcome(jsonFrame(FRAME.welcome, json))).toEqual({
      ticket: TICKET,
      resumed: false,
      graceMs: 5,
      idleMs: null,
    });
    for (const idle of ["0", "1.5", '"1"', "-1"]) {
      expect(decodeWelcome(jsonFrame(FRAME.welcome, `${json.slice(0, -1)},"idleMs":${idle}}`))).toBeNull();
    }
  });

  it.each([
    ["an empty object", "{}"],
    ["a list", "[]"],
    ["null", "null"],
    ["no JSON", "{"],
    ["a window of 0", '{"window":0,"ticket":null}'],
    ["a window that is no whole number", '{"window":1.5,"ticket":null}'],
    ["a window beyond 48 bits", '{"window":281474976710656,"ticket":null}'],
    ["no ticket", '{"window":1}'],
    ["a short ticket", '{"window":1,"ticket":"00"}'],
    ["a host that is no name", '{"window":1,"ticket":null,"host":"http://x/"}'],
    ["a host that is no text", '{"window":1,"ticket":null,"host":7}'],
    ["a ticket with other characters", `{"window":1,"ticket":"${"G".repeat(32)}"}`],
  ])("T06 refuse a hello with %s", (_, json) => {
    expect(decodeHello(hello(json))).toBeNull();
  });

  it.each([
    ["a text", '"http://x/"'],
    ["a path alone", '{"path":"/x/"}'],
    ["a host that is a link", '{"host":"http://x","path":null}'],
    ["a host with an escape", '{"host":"x\\u001b[2J","path":null}'],
    ["a path to another host", '{"host":null,"path":"@evil.test/"}'],
    ["a path without its end", '{"host":null,"path":"/t/x"}'],
    ["a path with a query", '{"host":null,"path":"/t/x?/"}'],
    ["a path with an escape", '{"host":null,"path":"/t/\\u001b[2J/"}'],
    ["a path without end", `{"host":null,"path":"/${"x".repeat(2_000)}/"}`],
  ])("refuse a welcome whose ways are %s", (_, ways) => {
    const json = `{"ticket":"${TICKET}","resumed":false,"graceMs":1,"ways":${ways}}`;
    expect(decodeWelcome(welcomeOf(json))).toBeNull();
  });

  it("ignore members that they do not know", () => {
    expect(decodeHello(hello('{"window":1,"ticket":null,"colour":"red"}'))).not.toBeNull();
  });

  it("T06 refuse flags, an exchange, a number, text that is not UTF-8, too much of it, and any cut", () => {
    const whole = encodeWelcome({ ticket: TICKET, resumed: false, graceMs: 0, idleMs: null });
    for (let end = 0; end < whole.length; end++) expect(decodeWelcome(whole.subarray(0, end))).toBeNull();
    for (let index = 0; index < 13; index++) {
      const wrong = whole.slice();
      wrong[index] = 0xff;
      expect(decodeWelcome(wrong)).toBeNull();
    }
    expect(decodeHello(hello(`{"window":1,"ticket":null}${" ".repeat(5_000)}`))).toBeNull();
    expect(decodeHello(whole)).toBeNull();
    expect(frameKind(new Uint8Array(11).fill(1))).toBe(0);
  });
});

function hello(json: string): Uint8Array {
  return jsonFrame(FRAME.hello, json);
}

function jsonFrame(kind: number, json: string): Uint8Array {
  return new Uint8Array([kind, ...new Uint8Array(11), ...Buffer.from(json)]);
}

function welcomeOf(json: string): Uint8Array {
  return new Uint8Array([FRAME.welcome, ...new Uint8Array(11), ...Buffer.from(json)]);
}

describe("what culvert.1 says of several nodes", () => {
  const welcome = { ticket: TICKET, resumed: false, graceMs: 1, idleMs: null } as const;

  it("comes back, and is left out where there is nothing to say", () => {
    expect(decodeWelcome(encodeWelcome({ ...welcome, node: "host-1.a:b" }))?.node).toBe("host-1.a:b");
    expect(decodeWelcome(encodeWelcome(welcome))).toEqual(welcome);
    const hello = { windowBytes: 1, ticket: null, host: null } as const;
    expect(decodeHello(encodeHello({ ...hello, links: true }))).toEqual({ ...hello, links: true });
    expect(decodeHello(encodeHello(hello))).toEqual(hello);
    expect(decodeNodes(encodeNodes(["a", "b"]))).toEqual(["a", "b"]);
  });

  it("is read as if it were not there where it could do harm in a header field", () => {
    for (const node of ["", "a, b", "a\r\nb", "ä", "a".repeat(65)]) {
      expect(decodeWelcome(encodeWelcome({ ...welcome, node }))).toEqual(welcome);
      expect(decodeNodes(encodeNodes(["one", node]))).toEqual(["one"]);
    }
  });

  it("is no list of nodes in any other form", () => {
    const [head] = [encodeNodes([]).subarray(0, 12)];
    for (const json of ['{"nodes":{}}', "{}", "[]", "", `{"nodes":["${"a".repeat(5_000)}"]}`]) {
      expect(decodeNodes(new Uint8Array([...head, ...Buffer.from(json)]))).toBeNull();
    }
  });
});
