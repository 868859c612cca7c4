/**
 * IP addresses and blocks of them, read strictly: what systems read in different ways, such as octal or shortened IPv4, is
 * read by nobody here. An IPv4 address mapped into IPv6 (RFC 4291 section 2.5.5.2) is that IPv4 address.
 */

import { at } from "../assert.ts";

/** Groups of 8 bits for IPv4 and of 16 bits for IPv6, most significant first. */
export type IpAddress = { readonly family: 4 | 6; readonly groups: readonly number[] };

/** All addresses of the family whose first `prefixBits` bits are those of `groups`. */
export type IpBlock = IpAddress & { readonly prefixBits: number };

/** Null for anything but an address, without brackets and without a zone. */
export function parseIp(text: string): IpAddress | null {
  const groups = text.includes(":") ? parseIpv6(text) : parseIpv4(text);
  if (groups === null) return null;
  return groups.length === 4 ? { family: 4, groups } : (unmapped(groups) ?? { family: 6, groups });
}

/** Reads an address, which is a block of one, or `ADDRESS/BITS`. Null for anything else, and where bits behind the prefix are set. */
export function parseIpBlock(text: string): IpBlock | null {
  const slash = text.indexOf("/");
  const address = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (address === null) return null;
  const bits = address.family === 4 ? 32 : 128;
  if (slash < 0) return { ...address, prefixBits: bits };
  const given = text.slice(slash + 1);
  if (!DECIMAL.test(given)) return null;
  const isMapped = address.family === 4 && text.includes(":");
  const prefixBits = Number(given) - (isMapped ? MAPPED_BITS : 0);
  if (prefixBits < 0 || prefixBits > bits) return null;
  const block = { ...address, prefixBits };
  return hasOnlyPrefix(block) ? block : null;
}

export function isInBlock(address: IpAddress, block: IpBlock): boolean {
  if (address.family !== block.family) return false;
  const groupBits = bitsPerGroup(block);
  for (let index = 0; index * groupBits < block.prefixBits; index++) {
    const behind = Math.max(0, (index + 1) * groupBits - block.prefixBits);
    if (at(address.groups, index) >>> behind !== at(block.groups, index) >>> behind) return false;
  }
  return true;
}

/** As RFC 5952 recommends it for IPv6, without brackets. */
export function formatIp({ family, groups }: IpAddress): string {
  if (family === 4) return `${groups[0]}.${groups[1]}.${groups[2]}.${groups[3]}`;
  const texts = groups.map((group) => group.toString(16));
  const { start, length } = longestZeros(groups);
  if (length < 2) return texts.join(":");
  return `${texts.slice(0, start).join(":")}::${texts.slice(start + length).join(":")}`;
}

const DECIMAL = /^(?:0|[1-9]\d{0,2})$/;
const IPV4 = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;
const HEXADECIMAL = /^[0-9A-Fa-f]{1,4}$/;
/** An IPv6 address in its longest form, with IPv4 at its end. */
const TEXT_LENGTH_MAX = 45;
/** `::ffff:0:0/96` */
const MAPPED_BITS = 96;

function parseIpv4(text: string): readonly number[] | null {
  if (text.length > TEXT_LENGTH_MAX) return null;
  const match = IPV4.exec(text);
  if (match === null) return null;
  const groups = [Number(match[1]), Number(match[2]), Number(match[3]), Number(match[4])];
  return groups.every((group) => group <= 255) ? groups : null;
}

function parseIpv6(text: string): readonly number[] | null {
  if (text.length > TEXT_LENGTH_MAX) return null;
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = halves.map((half, index) => parseHalf(half, index === halves.length - 1));
  if (head === undefined || head === null || tail === null) return null;
  if (tail === undefined) return head.length === 8 ? head : null;
  // `::` stands for one group of zeros at least.
  const zeros = 8 - head.length - tail.length;
  return zeros < 1 ? null : [...head, ...new Array<number>(zeros).fill(0), ...tail];
}

/** The groups between `::` and an end of the address; the last of all may be written as IPv4. */
function parseHalf(text: string, isLast: boolean): number[] | null {
  const groups: number[] = [];
  if (text === "") return groups;
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (HEXADECIMAL.test(part)) groups.push(Number.parseInt(part, 16));
    else {
      const bytes = isLast && index === parts.length - 1 ? parseIpv4(part) : null;
      if (bytes === null) return null;
      const [a = 0, b = 0, c = 0, d = 0] = bytes;
      groups.push(a * 256 + b, c * 256 + d);
    }
  }
  return groups;
}

function unmapped(groups: readonly number[]): IpAddress | null {
  if (groups[5] !== 0xffff || groups.slice(0, 5).some((group) => group !== 0)) return null;
  const [high = 0, low = 0] = groups.slice(6);
  return { family: 4, groups: [high >>> 8, high & 0xff, low >>> 8, low & 0xff] };
}

/** A block with bits behind its prefix was meant to be another one: `10.1.2.3/8`. */
function hasOnlyPrefix(block: IpBlock): boolean {
  const groupBits = bitsPerGroup(block);
  return block.groups.every((group, index) => {
    const behind = Math.min(groupBits, Math.max(0, (index + 1) * groupBits - block.prefixBits));
    return (group & (2 ** behind - 1)) === 0;
  });
}

function bitsPerGroup({ family }: IpAddress): number {
  return family === 4 ? 8 : 16;
}

/** The first of the longest runs of zeros (RFC 5952 section 4.2.3). */
function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let longest = { start: 0, length: 0 };
  let start = 0;
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > longest.length) longest = { start, length: index + 1 - start };
  }
  return longest;
}
