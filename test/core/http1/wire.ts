import { Duplex } from "node:stream";

/** A connection in memory, on which all that is written is taken; what comes is pushed. Ended by one side, it closes. */
export class Wire extends Duplex {
  constructor() {
    super({ allowHalfOpen: false });
  }

  override _read(): void {}

  override _write(_bytes: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    callback();
  }
}
