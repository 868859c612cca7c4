/** What one node tells another of a visitor's request, read from the field and from nothing of `core/`. */
import type { ServerEvent } from "../../core/events.ts";
import { headerOf } from "../tools/headers.ts";

type Opened = Extract<ServerEvent, { readonly type: "exchange_opened" }>;

export type SeenPass = {
  /** As it is written. */
  readonly text: string;
  readonly node: string;
  /** The registry's row that it follows. */
  readonly row: string;
  readonly clientId: string;
  readonly peer: string;
  readonly expectsContinue: boolean;
};

/** Null where there is none. */
export function passIn(headers: readonly string[]): SeenPass | null {
  const text = headerOf(headers, "culvert-hop");
  if (text === undefined) return null;
  const [, , , expects, , node = "", tunnel = "", clientId = "", peer = ""] = text.split(" ");
  return {
    text,
    node: decodeURIComponent(node),
    row: `${tunnel} of ${node}`,
    clientId: decodeURIComponent(clientId),
    peer: decodeURIComponent(peer),
    expectsContinue: expects === "expects",
  };
}

/** The request as its visitor made it, where another node has brought it. */
export function asVisitors(opened: Opened, pass: SeenPass | null): Opened {
  if (opened.byPeer !== true || pass === null) return opened;
  const headers = opened.headers.filter((_, index) => {
    const name = opened.headers[index - (index % 2)]?.toLowerCase() ?? "";
    // An empty host is none, which HTTP/1.1 has no other way to say.
    const isNone = name === "host" && (headerOf(opened.headers, "host") ?? "") === "";
    return name !== "culvert-hop" && name !== "connection" && !isNone;
  });
  return { ...opened, headers, peer: pass.peer, expectsContinue: pass.expectsContinue };
}
