/** The WAV container (RIFF, PCM of 16 bit, stereo), and what the player page draws of one. */

export const SAMPLE_RATE = 44_100;

const CHANNELS = 2;
const BYTES_PER_SAMPLE = 2;
const BYTES_PER_FRAME = CHANNELS * BYTES_PER_SAMPLE;
const HEADER_BYTES = 44;

/** Samples from -1 to 1, both sides of the same length. */
export function assembleWav(sound: { readonly left: Float32Array; readonly right: Float32Array }): Buffer {
  const dataBytes = sound.left.length * BYTES_PER_FRAME;
  const file = Buffer.alloc(HEADER_BYTES + dataBytes);
  file.write("RIFF", 0, "latin1");
  file.writeUInt32LE(HEADER_BYTES - 8 + dataBytes, 4);
  file.write("WAVEfmt ", 8, "latin1");
  file.writeUInt32LE(16, 16); // length of the format block
  file.writeUInt16LE(1, 20); // PCM
  file.writeUInt16LE(CHANNELS, 22);
  file.writeUInt32LE(SAMPLE_RATE, 24);
  file.writeUInt32LE(SAMPLE_RATE * BYTES_PER_FRAME, 28);
  file.writeUInt16LE(BYTES_PER_FRAME, 32);
  file.writeUInt16LE(8 * BYTES_PER_SAMPLE, 34);
  file.write("data", 36, "latin1");
  file.writeUInt32LE(dataBytes, 40);
  const samples = new DataView(file.buffer, file.byteOffset + HEADER_BYTES, dataBytes);
  for (let i = 0; i < sound.left.length; i++) {
    samples.setInt16(i * BYTES_PER_FRAME, Math.round((sound.left[i] ?? 0) * 32_767), true);
    samples.setInt16(i * BYTES_PER_FRAME + 2, Math.round((sound.right[i] ?? 0) * 32_767), true);
  }
  return file;
}

export function secondsOf(file: Buffer): number {
  return (file.length - HEADER_BYTES) / (SAMPLE_RATE * BYTES_PER_FRAME);
}

/** The loudness of `count` equal stretches of the left side, from 0 to 100: enough to draw the file's outline. */
export function outlineOf(file: Buffer, count: number): number[] {
  const frames = (file.length - HEADER_BYTES) / BYTES_PER_FRAME;
  const stretch = Math.floor(frames / count);
  const loudness = Array.from({ length: count }, (_, index) => {
    let squares = 0;
    let samples = 0;
    // Every sixteenth sample tells the loudness of a stretch of thirty thousand well enough.
    for (let frame = index * stretch; frame < (index + 1) * stretch; frame += 16) {
      squares += file.readInt16LE(HEADER_BYTES + frame * BYTES_PER_FRAME) ** 2;
      samples += 1;
    }
    return Math.sqrt(squares / samples);
  });
  const loudest = Math.max(1, ...loudness);
  return loudness.map((value) => Math.round((100 * value) / loudest));
}
