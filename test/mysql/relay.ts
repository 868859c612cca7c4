/** A relay in front of MySQL, or of a server of ours, that does to connections what networks do. */
import net from "node:net";
import { onTestFinished } from "vitest";
import { listen } from "../adapters/listen.ts";
import { server } from "./database.ts";

type Mode =
  | { readonly type: "pass" }
  /** Takes no connection. */
  | { readonly type: "hang_up" }
  /** Takes connections and bytes, and neither passes on nor answers any. */
  | { readonly type: "mute" }
  /** The next statement does not arrive: both ends are cut. */
  | { readonly type: "cut_statement" }
  /** The next statement arrives, and is answered: then both ends are cut, and the answer is lost. */
  | { readonly type: "cut_answer" }
  /** Answers come late. */
  | { readonly type: "slow"; readonly delayMs: number };

type Target = { readonly host: string; readonly port: number };

export class Relay {
  readonly port: number;
  mode: Mode = { type: "pass" };
  /** Where new connections go. */
  target: Target;
  readonly #ends = new Set<() => void>();

  static async start(target: Target = server): Promise<Relay> {
    const cleanups: (() => void)[] = [];
    onTestFinished(() => {
      for (const cleanup of cleanups) cleanup();
      relay.cut();
    });
    const listener = net.createServer((client) => relay.#take(client));
    const address = await listen(listener, cleanups);
    const relay = new Relay(Number(address.split(":")[1]), target);
    return relay;
  }

  private constructor(port: number, target: Target) {
    this.port = port;
    this.target = target;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const end of this.#ends) end();
  }

  #take(client: net.Socket): void {
    if (this.mode.type === "hang_up") return void client.destroy();
    const upstream = net.connect({ host: this.target.host, port: this.target.port, noDelay: true });
    client.setNoDelay(true);
    let isAnswerLost = false;
    const end = () => {
      this.#ends.delete(end);
      client.destroy();
      upstream.destroy();
    };
    this.#ends.add(end);
    client.on("data", (bytes) => {
      const { mode } = this;
      if (mode.type === "mute") return;
      if (mode.type === "cut_statement" || mode.type === "cut_answer") {
        this.mode = { type: "pass" };
        isAnswerLost = true;
        if (mode.type === "cut_statement") return end();
      }
      upstream.write(bytes);
    });
    upstream.on("data", (bytes) => {
      const { mode } = this;
      if (isAnswerLost) return end();
      if (mode.type === "mute") return;
      if (mode.type === "slow") setTimeout(() => client.write(bytes), mode.delayMs);
      else client.write(bytes);
    });
    for (const socket of [client, upstream]) {
      socket.on("error", end);
      socket.on("close", end);
    }
  }
}
