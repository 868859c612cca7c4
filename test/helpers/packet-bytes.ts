/**
 * Response packets as deployed agents write them, from protocol-moosicbox.md and not with the core's encoder, so that an
 * error that encoder and decoder share cannot hide.
 */

export type PacketSpec = {
  readonly requestId: number | bigint;
  readonly packetId: number;
  readonly last?: boolean;
  /** Of packet 1 only. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
};

/** The binary form. */
export function packetBytes(packet: PacketSpec): Uint8Array {
  const fixed = Buffer.alloc(13);
  fixed.writeBigUInt64BE(BigInt(packet.requestId), 0);
  fixed.writeUInt32BE(packet.packetId, 8);
  fixed.writeUInt8(packet.last === true ? 1 : 0, 12);
  const parts = [fixed];
  if (packet.packetId === 1) {
    const headers = Buffer.from(JSON.stringify(packet.headers ?? {}));
    const head = Buffer.alloc(6);
    head.writeUInt16BE(packet.status ?? 200, 0);
    head.writeUInt32BE(headers.length, 2);
    parts.push(head, headers);
  }
  parts.push(Buffer.from(packet.body ?? ""));
  return new Uint8Array(Buffer.concat(parts));
}

/** The text form. */
export function packetText(packet: PacketSpec): string {
  const head = packet.packetId === 1 ? `${packet.status ?? 200}${JSON.stringify(packet.headers ?? {})}` : "";
  const body = Buffer.from(packet.body ?? "").toString("base64");
  return `TUNNEL_RESPONSE:${packet.requestId}|${packet.packetId}|${packet.last === true ? 1 : 0}${head}${body}`;
}
