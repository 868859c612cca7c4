/** What a visitor can tell of an answer that is cut. */
import { describe, expect, test } from "vitest";
import { createEdge, stepEdge } from "../../../core/edge/edge.ts";
import type { EdgeEffect, EdgeEvent } from "../../../core/edge/events.ts";
import { edgeLimits } from "../../../core/edge/limits.ts";
import type { ConnectionId, ExchangeId } from "../../../core/ids.ts";
import { Outbox } from "../../../core/outbox.ts";

const connection = 1 as ConnectionId;
const exchange = 1 as ExchangeId;

/** The effects of the last of the events, by kind. */
function kindsAfter(...events: readonly EdgeEvent[]): string[] {
  const edge = createEdge({ limits: edgeLimits, trustedProxies: [], date: () => "" });
  const out = new Outbox<EdgeEffect>();
  let kinds: string[] = [];
  for (const event of [{ type: "connection_accepted", connection, peer: "192.0.2.1" } as const, ...events]) {
    stepEdge(edge, 0, event, out);
    kinds = [];
    out.drain(({ type }) => {
      kinds.push(type);
    });
  }
  return kinds;
}

function asked(...lines: readonly string[]): EdgeEvent {
  return {
    type: "connection_bytes",
    connection,
    bytes: new TextEncoder().encode([...lines, "", ""].join("\r\n")),
  };
}

const head: EdgeEvent = { type: "respond_head", exchange, status: 200, headers: [], coding: null };
const cut: EdgeEvent = { type: "respond_cut", exchange };

describe("an answer that is cut", () => {
  test("is reset where only the end of the connection ends it", () => {
    expect(kindsAfter(asked("GET / HTTP/1.0", "Host: x"), head, cut)).toContain("connection_reset");
  });

  test("keeps what has arrived readable where its framing tells a part from the whole", () => {
    expect(kindsAfter(asked("GET / HTTP/1.1", "Host: x"), head, cut)).toContain("connection_close");
  });

  test("is reset after the protocol was switched", () => {
    const handshake = asked(
      "GET / HTTP/1.1",
      "Host: x",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    );
    const returned: EdgeEvent = { type: "connection_returned", connection };
    const switched: EdgeEvent = { type: "respond_upgrade", exchange, headers: [] };
    expect(kindsAfter(handshake, returned, switched, cut)).toContain("connection_reset");
    // All of it was ordered, and has not left: what is dropped must not be followed by an end.
    const more: EdgeEvent = { type: "respond_body", exchange, bytes: new Uint8Array(9) };
    const end: EdgeEvent = { type: "respond_end", exchange, trailers: [] };
    expect(kindsAfter(handshake, returned, switched, more, end, cut)).toContain("connection_reset");
  });
});
