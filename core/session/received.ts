/** What a frame of the other side comes to, for the session's owner. */
import type { HeaderList } from "../http/headers.ts";
import type { NativeRequestHead, NativeResponseHead } from "../wire/native-head.ts";
import type { Session, Stream } from "./state.ts";

export type Received =
  | { readonly type: "nothing" }
  /** Agent only: a request, with what of its body came along. */
  | {
      readonly type: "opened";
      readonly stream: Stream;
      readonly head: NativeRequestHead;
      /** A view of the message. */
      readonly body: Uint8Array;
      readonly last: boolean;
      readonly trailers: HeaderList;
    }
  /** Server only; the status is from 100 to 199 and not 101. */
  | {
      readonly type: "interim";
      readonly stream: Stream;
      readonly status: number;
      readonly headers: HeaderList;
    }
  /** The head is that of the final response, and there exactly in its first piece. */
  | {
      readonly type: "piece";
      readonly stream: Stream;
      readonly head: NativeResponseHead | null;
      /** A view of the message. */
      readonly body: Uint8Array;
      readonly last: boolean;
      readonly trailers: HeaderList;
    }
  /** The other side ended the exchange; the stream is forgotten already. */
  | { readonly type: "reset"; readonly stream: Stream; readonly code: string }
  /** Server only: the agent broke the rules for this exchange alone. The owner fails it and calls `resetStream`. */
  | {
      readonly type: "broken";
      readonly stream: Stream;
      readonly code: "agent_protocol" | "limit_response_headers";
      /** For the log: names the rule, never what came. */
      readonly detail: string;
    }
  /** The session goes on over this socket. `forgotten` are gone, and are to be failed by the owner. */
  | { readonly type: "resumed"; readonly forgotten: readonly Stream[] }
  /** The other side leaves. */
  | { readonly type: "draining" }
  /** Server only: the agent has another link, which new exchanges are to go over. */
  | { readonly type: "moved" }
  /** The owner closes the socket with 1002 and ends the session. `detail` is for the log and the close frame. */
  | { readonly type: "violation"; readonly detail: string };

export const NOTHING: Received = { type: "nothing" };

export function violation(detail: string): Received {
  return { type: "violation", detail };
}

/** Whether the agent cannot know of the exchange yet. */
export function isUnopened(session: Session, stream: Stream): boolean {
  return session.role === "server" && stream.send.next === 0;
}
