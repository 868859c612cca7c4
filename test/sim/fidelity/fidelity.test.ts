/**
 * The simulated server's visitors, played over real sockets: the shipped HTTP server is told by real visitors and by its server
 * side what the simulated one was told, and both ends see the same.
 */
import { describe, expect, onTestFinished, test } from "vitest";
import { createNonceSource } from "../../../adapters/nonce.ts";
import { HttpServer, type HttpServerEvent } from "../../../adapters/server/http.ts";
import { edgeLimits } from "../../../core/edge/limits.ts";
import type { ExchangeId } from "../../../core/ids.ts";
import { scenarioOf } from "../../../sim/drawing/swarm.ts";
import type { Scenario } from "../../../sim/scenario/scenario.ts";
import { RawClient } from "../../adapters/raw-client.ts";
import {
  type RecordedConnection,
  type RecordedExchange,
  recordConnections,
  type ServerPart,
} from "./recording.ts";

/** What both ends saw, in a form that two servers may be compared in. */
type Seen = {
  readonly response: string;
  readonly ending: "by the server" | "by the visitor";
  readonly exchanges: readonly unknown[];
};

/** The server side of one connection: says its part of each exchange as far as it may, and notes what it is told. */
class ScriptedServer {
  readonly #scripts: ServerPart[][];
  readonly #notes = new Map<number, RecordedExchange>();
  #perform: HttpServer["perform"] = () => {};
  #onClosed: () => void = () => {};

  constructor(exchanges: readonly RecordedExchange[]) {
    this.#scripts = exchanges.map(({ script }) => [...script]);
  }

  obeyedBy(server: HttpServer): void {
    this.#perform = (order) => server.perform(order);
  }

  readonly hear = (event: HttpServerEvent): void => {
    if (event.type === "visitors_gone") return;
    if (event.type === "exchange_opened") {
      const script = this.#scripts[this.#notes.size] ?? [];
      this.#notes.set(event.exchange, {
        opened: event,
        script,
        body: [],
        trailers: null,
        flushedBytes: 0,
        complete: null,
      });
    }
    const exchange = this.#notes.get(event.exchange);
    if (exchange === undefined) return;
    if (event.type === "exchange_body") exchange.body.push(event.bytes.slice());
    if (event.type === "exchange_flushed") exchange.flushedBytes += event.bytes;
    if (event.type === "exchange_body_ended") {
      exchange.trailers = event.trailers;
      exchange.script.shift();
    }
    if (event.type === "exchange_closed") {
      exchange.complete = event.complete;
      this.#onClosed();
    }
    this.#say(event.exchange, exchange.script);
  };

  get exchanges(): readonly RecordedExchange[] {
    return [...this.#notes.values()];
  }

  async untilAllClosed(): Promise<void> {
    while (
      this.exchanges.length < this.#scripts.length ||
      this.exchanges.some(({ complete }) => complete === null)
    ) {
      await new Promise<void>((resolve) => {
        this.#onClosed = resolve;
      });
    }
  }

  #say(exchange: ExchangeId, script: ServerPart[]): void {
    for (let part = script[0]; part !== undefined && part !== "read"; part = script[0]) {
      script.shift();
      this.#perform("exchange" in part ? { ...part, exchange } : part);
    }
  }
}

/** Plays one connection against the shipped server. */
async function play(recorded: RecordedConnection, limits: Scenario["edgeLimits"]): Promise<Seen> {
  const script = new ScriptedServer([...recorded.exchanges.values()]);
  const server = new HttpServer({
    limits: { ...edgeLimits, ...limits },
    trustedProxies: [],
    port: 0,
    bind: "127.0.0.1",
    dispatch: script.hear,
    nonce: createNonceSource(),
    onUpgrade: (_request, socket) => socket.destroy(),
  });
  script.obeyedBy(server);
  const { port } = await server.listen();
  const client = new RawClient(port);
  onTestFinished(() => client.leave());
  let isEndedByVisitor = false;
  for (const { afterBytes, bytes } of recorded.said) {
    await client.until(() => client.bytes >= afterBytes || client.ending !== null);
    if (bytes !== null) {
      client.socket.write(bytes);
    } else {
      if (recorded.endedFirst) await client.untilEnded();
      isEndedByVisitor = client.ending === null;
      client.socket.end();
    }
  }
  await client.untilEnded();
  await script.untilAllClosed();
  await server.close();
  const ending = isEndedByVisitor ? "by the visitor" : "by the server";
  return { response: undated(client.text), ending, exchanges: script.exchanges.map(toldOf) };
}

function seenIn({ sent, endedFirst, exchanges }: RecordedConnection): Seen {
  return {
    response: undated(Buffer.concat(sent).toString("latin1")),
    ending: endedFirst ? "by the server" : "by the visitor",
    exchanges: [...exchanges.values()].map(toldOf),
  };
}

function undated(text: string): string {
  return text.replaceAll(/^Date: .*\r\n/gm, "");
}

function toldOf({ opened, body, trailers, flushedBytes, complete }: RecordedExchange): unknown {
  const { method, target, headers, hasBody, upgrade, expectsContinue } = opened;
  const text = Buffer.concat(body).toString("latin1");
  return {
    method,
    target,
    headers,
    hasBody,
    upgrade,
    expectsContinue,
    text,
    trailers,
    flushedBytes,
    complete,
  };
}

/** Seeds without faults, whose visitors share connections, pipeline, and send bodies of every kind. */
const SEEDS = [2, 15, 17, 18];

describe("visitors of a simulated run", () => {
  test.each(SEEDS)(
    "see over real sockets what they saw there, and so does the server: seed %i",
    async (low) => {
      const scenario = scenarioOf({ high: 0, low });
      const recorded = recordConnections(scenario);
      expect(recorded.length).toBeGreaterThan(10);
      for (const connection of recorded) {
        expect(await play(connection, scenario.edgeLimits)).toEqual(seenIn(connection));
      }
    },
  );

  test("use connections in every way that is compared", () => {
    const connections = SEEDS.flatMap((low) => recordConnections(scenarioOf({ high: 0, low })));
    const answers = (connection: RecordedConnection) => connection.exchanges.size;
    const some = (is: (connection: RecordedConnection) => boolean) => connections.some(is);
    expect(some((connection) => answers(connection) > 1)).toBe(true);
    // A second request was there before the first answer.
    expect(
      some(
        ({ said, exchanges }) =>
          exchanges.size > 1 && said.every(({ afterBytes }, index) => index > 1 || afterBytes === 0),
      ),
    ).toBe(true);
    expect(some(({ endedFirst }) => endedFirst)).toBe(true);
    expect(some(({ exchanges }) => [...exchanges.values()].some(({ body }) => body.length > 1))).toBe(true);
  });
});
