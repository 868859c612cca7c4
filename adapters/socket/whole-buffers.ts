/**
 * Memory of bodies, given back when it is done with. Left to the collector it is freed late: pieces that wait for a slow
 * peer outlive the young generation, and V8 then collects the old one again and again, which took two fifths of the CPU of a
 * download.
 *
 * Only a buffer of which there is one view can be freed: nobody else has a view of it but by that piece. Which pieces those
 * are is known where they come in, and when they are done with is for the core to say.
 */
const wholeBuffers = new WeakSet<ArrayBufferLike>();

/** Smaller ones are as well left to the collector. */
const FREED_BYTES_MIN = 16 * 1024;

/** Notes bytes that have just come in, if they have a buffer to themselves. */
export function noteWholeBuffer(bytes: Uint8Array): void {
  if (bytes.length === bytes.buffer.byteLength) noteOnlyView(bytes);
}

/** Notes bytes that have just come in, and are all that anybody sees of their buffer. */
export function noteOnlyView({ buffer, length }: Uint8Array): void {
  if (length >= FREED_BYTES_MIN) wholeBuffers.add(buffer);
}

/** Frees the buffer that these bytes are of, if it was noted. Every view of it is empty from then on. */
export function freeWholeBuffer({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && wholeBuffers.delete(buffer)) buffer.transfer(0);
}
