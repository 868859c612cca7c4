/** A connection in memory, on which all that is written is taken. */
import { Duplex } from "node:stream";

export class MemoryWire extends Duplex {
  constructor() {
    super({ allowHalfOpen: false });
  }

  override _read(): void {}

  override _write(_bytes: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    callback();
  }
}
