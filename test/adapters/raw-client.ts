/** A visitor who speaks bytes, so that a test sees what is on the wire and can be as rude as it likes. */
import net from "node:net";

export class RawClient {
  readonly socket: net.Socket;
  /** Pieces as the kernel handed them over. */
  readonly pieces: Buffer[] = [];
  /** How the connection ended: null while it lasts. */
  ending: "end" | "reset" | null = null;
  #waiting: (() => void)[] = [];

  constructor(port: number) {
    this.socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.socket.on("data", (piece: Buffer) => {
      this.pieces.push(piece);
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

  /** What has arrived, as Latin-1. */
  get text(): string {
    return Buffer.concat(this.pieces).toString("latin1");
  }

  /** Lines with CRLF; the last one is followed by nothing, so end a head with two empty ones. */
  send(...lines: string[]): void {
    this.socket.write(Buffer.from(lines.join("\r\n"), "latin1"));
  }

  /** A request without a body. */
  get(target: string, ...headers: string[]): void {
    this.send(`GET ${target} HTTP/1.1`, "Host: x", ...headers, "", "");
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
