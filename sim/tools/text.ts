/** Bytes and text: bodies are kept as text of one byte to a character, which is easy to cut and to compare. */

/** The bytes of text that has one byte to a character, in memory of their own. */
export function latin1Bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

export function latin1Text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

export function utf8Bytes(text: string): Uint8Array {
  return utf8.encode(text);
}

const utf8 = new TextEncoder();
