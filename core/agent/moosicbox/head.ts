/** What of an origin's response head the MoosicBox protocol can carry: a status, and one string per header name. */
import { at } from "../../assert.ts";
import { endToEnd, type HeaderList, validHeader } from "../../http/headers.ts";
import type { AgentProblem } from "../problem.ts";

/** The fields as they go into packet 1; a problem where it is no HTTP, or more than the protocol has a place for. */
export function carryHead(status: number, received: HeaderList): HeaderList | AgentProblem {
  return status < 200 || status > 999 ? "origin_malformed" : onePerName(endToEnd(received));
}

/**
 * One field per name, in the order and spelling of its first appearance, several values joined by commas. That keeps the
 * meaning of every field that may repeat (RFC 9110 section 5.3) but one: `set-cookie`, whose values hold commas. Several
 * of those are refused, since a response that lost a cookie would be worse than none.
 */
function onePerName(headers: HeaderList): HeaderList | AgentProblem {
  const joined: string[] = [];
  const places = new Map<string, number>();
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = at(headers, index);
    const value = at(headers, index + 1);
    if (!validHeader(name, value)) return "origin_malformed";
    const key = name.toLowerCase();
    const place = places.get(key);
    if (place === undefined) {
      places.set(key, joined.length + 1);
      joined.push(name, value);
    } else if (key === "set-cookie") {
      return "limit_set_cookie";
    } else if (key !== "content-length") {
      joined[place] = `${joined[place]}, ${value}`;
    }
  }
  return joined;
}
