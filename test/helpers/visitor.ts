/** A visitor who asks once and says what became of it, as `curl` would. */
import { type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";

export type AskOptions = {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array;
};

export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As they came: name, value, name, value. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  /** Whether the body ended by its own framing; false where the connection broke off inside it. */
  readonly isWhole: boolean;
};

/** On a connection of its own. Rejects where no response head came. */
export async function ask(url: string, options: AskOptions = {}): Promise<Answer> {
  return read(await open(url, options));
}

/** The same up to the response's head: who asks reads the body, or leaves. */
export function open(url: string, options: AskOptions = {}): Promise<IncomingMessage> {
  const { method = "GET", headers = {}, body } = options;
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const call = request(url, { method, headers: { ...length, ...headers }, agent: false });
    call.once("error", reject);
    call.once("response", resolve);
    call.end(body);
  });
}

export function read(response: IncomingMessage): Promise<Answer> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    response.on("data", (piece: Buffer) => pieces.push(piece));
    // What broke off is told by `complete`.
    response.on("error", () => {});
    response.once("close", () => {
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        rawHeaders: response.rawHeaders,
        body: Buffer.concat(pieces),
        isWhole: response.complete,
      });
    });
  });
}

/** The `code` of a problem document. */
export function problemCode(answer: Answer): unknown {
  return JSON.parse(answer.body.toString()).code;
}
