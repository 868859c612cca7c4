/** What of a head goes on to the next hop where more than usual has to. */
import { at } from "../assert.ts";
import { endToEnd, type HeaderList } from "../http/headers.ts";

/**
 * What of a head goes on to the next hop, with the fields that `keeps` names, in lower case, although they are about this
 * hop: an upgrade is asked for and taken by `connection` and `upgrade`.
 */
export function endToEndBut(headers: HeaderList, keeps: ReadonlySet<string>): HeaderList {
  const passed = endToEnd(headers);
  if (passed.length === headers.length) return headers;
  const kept: string[] = [];
  let place = 0;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = at(headers, index);
    const value = at(headers, index + 1);
    // All fields of one name are passed on or none is, so the next one that is passed on is told by its name and value.
    const isPassed = passed[place] === name && passed[place + 1] === value;
    if (isPassed) place += 2;
    if (isPassed || keeps.has(name.toLowerCase())) kept.push(name, value);
  }
  return kept;
}

export const UPGRADE_FIELDS: ReadonlySet<string> = new Set(["connection", "upgrade"]);
