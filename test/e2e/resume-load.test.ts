/** Everything at once over a connection that breaks again and again, as over a phone's: nobody notices but by a pause. */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { request } from "node:http";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import type WebSocket from "ws";
import { bodyOf, MIB, sha256Of } from "../helpers/bodies.ts";
import { atRest, type RelayedHome, startRelayedHome } from "../helpers/relayed-home.ts";
import { read } from "../helpers/visitor.ts";

const DOWNLOAD_BYTES = 256 * MIB;
const UPLOAD_BYTES = 64 * MIB;

/** The relay's, and so many cuts come while the transfers last. */
const CUT_EVERY_MS = 3_000;
const CUT_FOR_MS = 500;
const CUTS_MIN = 4;
const TRANSFER_SECONDS = 14;

/** Of the origin's events, and of the visitor's messages. */
const PAUSE_MS = 20;

test("T01, T02, T22: a download, an upload, an event stream and a WebSocket come through four cuts without a byte lost or repeated", async () => {
  const transfersOver = Promise.withResolvers<void>();
  const events = new Events(transfersOver.promise);
  const home = await startRelayedHome(
    (incoming, response) => {
      const path = incoming.url?.split("?", 1)[0];
      if (path === "/events") void events.serve(response);
      else if (path === "/upload") void answerWithHash(incoming, response);
      else Readable.from(bodyOf(DOWNLOAD_BYTES)).pipe(response);
    },
    { onSocket: echo },
  );
  const stopCutting = home.relay.cutEvery(CUT_EVERY_MS, CUT_FOR_MS);

  const listening = home.open("/events").then(read);
  const talking = talk(home, transfersOver.promise);
  const transfers = Promise.all([download(home), upload(home)]);
  const [downloaded, uploaded] = await transfers;
  stopCutting();
  transfersOver.resolve();

  expect(downloaded).toEqual({ isWhole: true, hash: await sha256Of(bodyOf(DOWNLOAD_BYTES)) });
  expect(uploaded).toBe(await sha256Of(bodyOf(UPLOAD_BYTES, UPLOAD_SEED)));
  const heard = await listening;
  expect(heard.isWhole).toBe(true);
  expect(heard.body.toString()).toBe(events.text);
  const { sent, echoed, pings, pongs, closed } = await talking;
  expect(sent.length).toBeGreaterThan(100);
  expect(echoed).toEqual(sent);
  expect(pongs).toEqual(pings);
  expect(closed).toEqual({ code: 4321, reason: "said all" });

  expect([...home.origin.requests].sort()).toEqual(
    ["GET /echo", "GET /events", "GET /song", "POST /upload"].map((line) => `${line}?clientId=home`),
  );
  const resumptions = home.server.log.lines.filter(({ msg }) => msg === "session resumed");
  expect(home.relay.cuts).toBeGreaterThanOrEqual(CUTS_MIN);
  expect(resumptions.length).toBeGreaterThanOrEqual(CUTS_MIN);
  await atRest(home);
  expect(await home.server.status()).toMatchObject({ tunnels: 1, agentProtocolErrors: 0 });
});

/** Forty bytes each, until the end. */
class Events {
  readonly #end: Promise<void>;
  #isOver = false;
  text = "";

  constructor(end: Promise<void>) {
    this.#end = end;
  }

  async serve(response: ServerResponse): Promise<void> {
    void this.#end.then(() => {
      this.#isOver = true;
    });
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let number = 0; !this.#isOver; number++) {
      const event = `data: ${String(number).padStart(32, "0")}\n\n`;
      this.text += event;
      response.write(event);
      await delay(PAUSE_MS);
    }
    response.end();
  }
}

async function answerWithHash(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  response.end(await sha256Of(incoming));
}

async function download(home: RelayedHome): Promise<{ isWhole: boolean; hash: string }> {
  const response = await home.open("/song");
  const hash = await sha256Of(paced(response, DOWNLOAD_BYTES / TRANSFER_SECONDS));
  return { isWhole: response.complete, hash };
}

/** Anything but the download's. */
const UPLOAD_SEED = 7;

async function upload({ server, target, headers }: RelayedHome): Promise<string> {
  const call = request(server.url + target("/upload"), { method: "POST", headers, agent: false });
  const answered = once(call, "response");
  const body = bodyOf(UPLOAD_BYTES, UPLOAD_SEED);
  Readable.from(paced(body, UPLOAD_BYTES / TRANSFER_SECONDS)).pipe(call);
  const [response] = await answered;
  return (await read(response)).body.toString();
}

/** Hands on at that rate what could come faster. */
async function* paced(
  parts: Iterable<Buffer> | AsyncIterable<Buffer>,
  bytesPerSecond: number,
): AsyncGenerator<Buffer> {
  const beganMs = performance.now();
  let bytes = 0;
  for await (const part of parts) {
    yield part;
    bytes += part.length;
    const earlyMs = (bytes / bytesPerSecond) * 1_000 - (performance.now() - beganMs);
    if (earlyMs > PAUSE_MS) await delay(earlyMs);
  }
}

function echo(socket: WebSocket): void {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
}

/** Says this and that until the end, without waiting for answers, and hears what comes back. */
async function talk(home: RelayedHome, end: Promise<void>) {
  const socket = await home.connect("/echo");
  const sent: string[] = [];
  const echoed: string[] = [];
  const pings: string[] = [];
  const pongs: string[] = [];
  const closed = once(socket, "close").then(([code, reason]) => ({ code, reason: String(reason) }));
  socket.on("pong", (payload) => pongs.push(payload.toString()));
  let isOver = false;
  void end.then(() => {
    isOver = true;
  });
  const allEchoed = new Promise<void>((resolve) => {
    socket.on("message", (data: Buffer, isBinary) => {
      echoed.push(messageText(data, isBinary));
      if (isOver && echoed.length === sent.length) resolve();
    });
  });
  for (let number = 0; !isOver; number++) {
    const isBinary = number % 2 === 1;
    const message = Buffer.from(`${number} ${"x".repeat(number % 3 === 0 ? 40_000 : number % 300)}`);
    sent.push(messageText(message, isBinary));
    socket.send(message, { binary: isBinary });
    if (number % 5 === 0) {
      pings.push(String(number));
      socket.ping(String(number));
    }
    await delay(PAUSE_MS);
  }
  // So that there is one more answer to come after the end.
  sent.push(messageText(Buffer.from("last"), false));
  socket.send("last");
  await allEchoed;
  socket.close(4321, "said all");
  return { sent, echoed, pings, pongs, closed: await closed };
}

function messageText(data: Buffer, isBinary: boolean): string {
  return `${isBinary ? "binary" : "text"} ${data.toString()}`;
}
