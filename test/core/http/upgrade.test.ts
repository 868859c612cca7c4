import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { acceptFor, takesHandshake, upgradeFields } from "../../../core/http/upgrade.ts";
import { webSocketAccept } from "../../../core/http/websocket-accept.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

describe("webSocketAccept", () => {
  it("gives what RFC 6455 section 1.3 has as its example", () => {
    expect(webSocketAccept(KEY)).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  });

  it("is what Node's SHA-1 makes of key and GUID, however long the key is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (key) => {
        const text = `${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
        expect(webSocketAccept(key)).toBe(createHash("sha1").update(text).digest("base64"));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("a 101", () => {
  const accept = acceptFor(["SEC-websocket-key", KEY]);

  it("takes the handshake whose key it answers, whatever the case of its words", () => {
    const fields = ["Connection", "keep-alive, UPGRADE", "upgrade", "WebSocket"];
    expect(takesHandshake([...fields, "sec-websocket-accept", accept], accept)).toBe(true);
    expect(takesHandshake(upgradeFields(["Sec-WebSocket-Accept", accept]), accept)).toBe(true);
  });

  it("does not take another", () => {
    expect(takesHandshake(upgradeFields(["Sec-WebSocket-Accept", accept]), acceptFor([]))).toBe(false);
  });
});
