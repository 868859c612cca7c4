/**
 * When a piece of a response may go although it does not fill a packet or frame; the same for all carriers.
 *
 * - A body that comes in big chunks fills its packets: what is left of a chunk waits `packetFillMs` for the next one.
 *   Otherwise each 64 KiB chunk of a download would become one full packet and one tiny one.
 * - A body that comes in small chunks, such as an event stream, goes out as it comes.
 * - The head waits for as long, whatever the chunks are: most responses end within that time, and one packet costs both
 *   ends half of what two cost.
 * - Bytes that complete the declared length wait too: the end, which belongs in the same packet, is about to come.
 */

/** Whether the chunk may wait for what follows it. */
export function mayWait(bytes: Uint8Array, isComplete: boolean): boolean {
  return isComplete || bytes.length >= BULK_CHUNK_BYTES;
}

/** From here on a chunk counts as a piece of a bulk body. An event or a log line is smaller; files are read in more. */
const BULK_CHUNK_BYTES = 16 * 1024;
