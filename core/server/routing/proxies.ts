/** The proxies whose word about visitors is taken. */
import { assert } from "../../assert.ts";
import { type IpBlock, parseIpBlock } from "../../http/ip.ts";

/** Addresses and CIDR blocks, which whoever read the settings has looked at. */
export function parseProxies(texts: readonly string[]): readonly IpBlock[] {
  return texts.map((text) => {
    const block = parseIpBlock(text);
    assert(block !== null, "a trusted proxy is neither an address nor a block of them");
    return block;
  });
}
