/** Ends of connections that speak bytes, so that a test sees what is on the wire and can be as rude as it likes. */
import net from "node:net";

export class RawConnection {
  readonly socket: net.Socket;
  /** Pieces as the kernel handed them over. */
  readonly pieces: Buffer[] = [];
  /** How the connection ended: null while it lasts. */
  ending: "end" | "reset" | null = null;
  #waiting: (() => void)[] = [];
  #bytes = 0;

  constructor(socket: net.Socket) {
    this.socket = socket;
    this.socket.on("data", (piece: Buffer) => {
      this.pieces.push(piece);
      this.#bytes += piece.length;
      this.#wake();
    });
    this.socket.on("end", () => {
      this.ending ??= "end";
      this.#wake();
    });
    this.socket.on("error", () => {
      this.ending ??= "reset";
      this.#wake();
    });
  }

  /** How much has arrived. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What has arrived, as Latin-1. */
  get text(): string {
    return Buffer.concat(this.pieces).toString("latin1");
  }

  /** Lines with CRLF; the last one is followed by nothing, so end a head with two empty ones. */
  send(...lines: string[]): void {
    this.socket.write(Buffer.from(lines.join("\r\n"), "latin1"));
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (condition()) resolve();
        else this.#waiting.push(check);
      };
      check();
    });
  }

  untilText(part: string): Promise<void> {
    return this.until(() => this.text.includes(part));
  }

  untilEnded(): Promise<void> {
    return this.until(() => this.ending !== null);
  }

  /** Leaves without a word, as a process that is killed does. */
  leave(): void {
    this.socket.destroy();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const check of waiting) check();
  }
}

/** A visitor. */
export class RawClient extends RawConnection {
  constructor(port: number) {
    super(net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }));
  }

  /** A request without a body. */
  get(target: string, ...headers: string[]): void {
    this.send(`GET ${target} HTTP/1.1`, "Host: x", ...headers, "", "");
  }
}
