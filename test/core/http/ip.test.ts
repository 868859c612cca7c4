import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIp, isInBlock, parseIp, parseIpBlock } from "../../../core/http/ip.ts";

/** What the text is, written anew. */
function normal(text: string): string | null {
  const address = parseIp(text);
  return address === null ? null : formatIp(address);
}

function contains(block: string, address: string): boolean {
  const parsed = { block: parseIpBlock(block), address: parseIp(address) };
  if (parsed.block === null || parsed.address === null) throw new Error(`${block} or ${address} is not read`);
  return isInBlock(parsed.address, parsed.block);
}

describe("parseIp", () => {
  it.each([
    ["0.0.0.0", "0.0.0.0"],
    ["192.0.2.1", "192.0.2.1"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["2001:DB8::1", "2001:db8::1"],
    ["2001:db8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["1::", "1::"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
    ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:201", "192.0.2.1"],
    ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
  ])("A11 reads %s as %s", (text, written) => {
    expect(normal(text)).toBe(written);
  });

  it.each([
    "",
    "localhost",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "1.2.3.-4",
    "01.2.3.4",
    "0x7f.0.0.1",
    "2130706433",
    "1.2.3.4 ",
    "1.2.3.4:80",
    "1..2.3",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    "12345::",
    "g::",
    "::1.2.3.4:1",
    "1.2.3.4::",
    "::1.2.3",
    "fe80::1%eth0",
    "[::1]",
    "1:".repeat(100_000),
  ])("A11 does not take %j for an address", (text) => {
    expect(parseIp(text)).toBeNull();
  });

  it("reads what it writes", () => {
    const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
    const groups = fc.array(group, { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, (sixteen) => {
        const address = parseIp(sixteen.map((each) => each.toString(16)).join(":"));
        if (address === null) return expect.fail("eight groups are no address");
        expect(parseIp(formatIp(address))).toEqual(address);
      }),
    );
    fc.assert(fc.property(fc.ipV4(), (text) => normal(text) === text));
    fc.assert(fc.property(fc.ipV6(), (text) => parseIp(text) !== null));
  });
});

describe("a block", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["10.0.0.0/8", "10.255.255.255"],
    ["192.0.2.128/25", "192.0.2.129"],
    ["172.16.0.0/12", "172.31.0.1"],
    ["0.0.0.0/0", "203.0.113.9"],
    ["10.0.0.0/8", "::ffff:10.1.2.3"],
    ["::ffff:10.0.0.0/104", "10.1.2.3"],
    ["2001:db8::/32", "2001:db8:ffff::1"],
    ["2001:db8:8000::/33", "2001:db8:8000::1"],
    ["fe80::/10", "febf::1"],
    ["::/0", "2001:db8::1"],
    ["::1", "::1"],
  ])("A11 %s contains %s", (block, address) => {
    expect(contains(block, address)).toBe(true);
  });

  it.each([
    ["192.0.2.1", "192.0.2.2"],
    ["10.0.0.0/8", "11.0.0.0"],
    ["192.0.2.128/25", "192.0.2.127"],
    ["172.16.0.0/12", "172.32.0.1"],
    ["0.0.0.0/0", "2001:db8::1"],
    ["::/0", "203.0.113.9"],
    ["::/0", "::ffff:203.0.113.9"],
    ["2001:db8:8000::/33", "2001:db8:7fff::1"],
    ["fe80::/10", "fec0::1"],
    ["::1", "::2"],
  ])("A11 %s does not contain %s", (block, address) => {
    expect(contains(block, address)).toBe(false);
  });

  it.each([
    "",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/8/8",
    "10.0.0.0/ 8",
    "10.0.0.1/8",
    "2001:db8::/129",
    "2001:db8::1/64",
    "::ffff:10.0.0.0/90",
    "proxy.example/8",
    "*",
  ])("A11 is not what %j names", (text) => {
    expect(parseIpBlock(text)).toBeNull();
  });

  it("contains the addresses that have its first bits, and no others", () => {
    const bits = fc.array(fc.boolean(), { minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(bits, bits, fc.integer({ min: 0, max: 32 }), (a, b, prefix) => {
        const isSame = a.slice(0, prefix).every((bit, index) => bit === b[index]);
        const base = a.map((bit, index) => bit && index < prefix);
        expect(contains(`${dotted(base)}/${prefix}`, dotted(b))).toBe(isSame);
      }),
    );
  });
});

function dotted(bits: readonly boolean[]): string {
  const bytes = [0, 8, 16, 24].map((start) => {
    return bits.slice(start, start + 8).reduce((byte, bit) => byte * 2 + (bit ? 1 : 0), 0);
  });
  return bytes.join(".");
}
