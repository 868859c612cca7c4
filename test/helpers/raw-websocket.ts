/** A WebSocket client that writes its frames by hand (RFC 6455 section 5), so that it can break every rule. */
import { query } from "../demo/culvert.ts";
import { connect } from "./raw-http.ts";
import type { Server } from "./tunnel.ts";

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export type FrameOptions = {
  /** Whether it is the last one of its message. */
  readonly fin?: boolean;
  /** The bit that says "compressed" where that was negotiated. */
  readonly rsv1?: boolean;
  readonly isMasked?: boolean;
};

/** A frame with a payload of less than 64 KiB. The mask is all zeroes, so that the payload can be read as it is. */
export function frameBytes(opcode: number, payload: Uint8Array | string, options: FrameOptions = {}): Buffer {
  const { fin = true, rsv1 = false, isMasked = true } = options;
  const body = Buffer.from(payload);
  const first = (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode;
  const masked = isMasked ? 0x80 : 0;
  const length =
    body.length < 126 ? [masked | body.length] : [masked | 126, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([first, ...length]), Buffer.alloc(isMasked ? 4 : 0), body]);
}

/** The payload of a close frame. */
export function closePayload(code: number, reason = ""): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
}

/** Opens a tunnel by hand. */
export async function connectRaw(server: Server, clientId: string, ...headers: string[]) {
  const signature = await server.sign(clientId, await server.register(clientId));
  const client = connect(server.port);
  client.get(
    `/ws?${query({ clientId, sender: "true", signature })}`,
    ...["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  );
  await client.untilText("\r\n\r\n");
  return {
    handshake: client.text.slice(0, client.text.indexOf("\r\n\r\n")),
    send: (...frames: Buffer[]) => client.socket.write(Buffer.concat(frames)),
    /** Until the server has sent a text that holds this. */
    untilText: (part: string) => client.untilText(part),
    get text() {
      return client.text;
    },
    /** The code of the server's close frame, 1006 where the connection ended without one. Leaves, as a close demands. */
    async closeCode(): Promise<number> {
      const bytes = () => Buffer.concat(client.pieces);
      const closeAt = () => firstFrame(bytes(), client.text.indexOf("\r\n\r\n") + 4, OPCODE.close);
      await client.until(() => closeAt() !== null || client.ending !== null);
      client.leave();
      const at = closeAt();
      return at === null ? 1006 : bytes().readUInt16BE(at + 2);
    },
  };
}

/** Where the first frame with that opcode begins; a server does not mask. Null while there is none. */
function firstFrame(bytes: Buffer, from: number, opcode: number): number | null {
  let at = from;
  while (at + 2 <= bytes.length) {
    const short = (bytes[at + 1] ?? 0) & 0x7f;
    const headerBytes = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (at + headerBytes > bytes.length) return null;
    const length =
      short < 126
        ? short
        : short === 126
          ? bytes.readUInt16BE(at + 2)
          : Number(bytes.readBigUInt64BE(at + 2));
    if (at + headerBytes + length > bytes.length) return null;
    if (((bytes[at] ?? 0) & 0x0f) === opcode) return at;
    at += headerBytes + length;
  }
  return null;
}
