/** One answer of a home service: in chunks and at its own pace, as the model says, while the request may still come in. */
import type { HomeCall } from "../../record/home-call.ts";
import {
  answerOf,
  hasTrailers,
  type ModelAnswer,
  PAGE_OF_NOBODY,
  taintedBytes,
  taintKey,
  trailersOf,
} from "../../scenario/model.ts";
import { bodyOf, REQUEST_TRAILERS } from "../../scenario/request.ts";
import { headerOf } from "../../tools/headers.ts";
import { latin1Text } from "../../tools/text.ts";
import { GOOD_BYE, webSocketFrame } from "../../wire/web-socket-frame.ts";
import type { Agenda, World } from "../../world/world.ts";
import type { HomeClient, HomeCondition, HomeQuestion, HomeRequest } from "./request.ts";

/** How long a request takes on the private network. */
export const CONNECT_US = 300;
/** A service that says nothing is given up by its own machine at last. */
const SILENCE_US = 60_000_000;
/** A service that has run dry looks again this often whether it may go on. */
const DRY_US = 200_000;

export class Answer implements HomeRequest {
  readonly #world: World;
  readonly #agenda: Agenda;
  readonly #home: HomeCondition;
  readonly #call: HomeCall;
  readonly #client: HomeClient;
  readonly #key: number;
  /** Null where nobody's visit asks for that. */
  readonly #model: ModelAnswer | null;
  /** Whether what the visitor says in fields comes this far, trailers among them. */
  readonly #passesFields: boolean;
  /** What the request body has to be, and how much of it was taken in. */
  readonly #body: string;
  #takenBytes = 0;
  /** Came and was not taken in yet; a list of trailers ends it. */
  readonly #inbox: (Uint8Array | readonly string[])[] = [];
  /** Something is being taken in; until it begins, nothing is. */
  #taking = true;
  #requestEnded: boolean;
  #headed = false;
  #paused = false;
  #waiting = false;
  #sentBytes = 0;
  #saidGoodBye = false;

  constructor(
    world: World,
    agenda: Agenda,
    {
      home,
      call,
      client,
      request,
    }: {
      readonly home: HomeCondition;
      readonly call: HomeCall;
      readonly client: HomeClient;
      readonly request: HomeQuestion;
    },
  ) {
    this.#passesFields = request.headers !== null;
    this.#body = call.visit === null ? "" : (bodyOf(call.visit) ?? "");
    this.#requestEnded = request.body !== "streamed" && request.upgrade !== true;
    this.#world = world;
    this.#agenda = agenda;
    this.#home = home;
    this.#call = call;
    this.#client = client;
    this.#key = call.visit === null ? 0 : taintKey(call.clientId, call.visit.id);
    this.#model = call.visit === null ? null : answerOf(call.clientId, call.visit);
    if (home.silences > 0) {
      home.onTrouble("silent");
      this.#agenda.after(SILENCE_US, () => this.#fail());
      return;
    }
    this.#agenda.after(CONNECT_US, () => this.#beginWith(request));
  }

  send(bytes: Uint8Array): void {
    this.#inbox.push(bytes);
    this.#take();
  }

  /** Of a request that is answered already. */
  overhear(bytes: Uint8Array): void {
    const { visit, connection } = this.#call;
    // What it did not care to take in any more.
    for (const piece of this.#inbox.splice(0))
      if (piece instanceof Uint8Array) this.#takenBytes += piece.length;
    const isBody = this.#body.startsWith(latin1Text(bytes), this.#takenBytes);
    this.#takenBytes += bytes.length;
    if (isBody || visit === null || this.#home.wasTampered || connection === null) return;
    this.#world.watch.homeMisread(connection, `what is no part of the body of visit ${visit.id}`);
  }

  sendEnd(trailers: readonly string[]): void {
    this.#inbox.push(trailers);
    this.#take();
  }

  #beginWith({ body, headers, upgrade = false }: HomeQuestion): void {
    if (this.#call.end !== null) return;
    const whole = body === "streamed" ? null : body;
    if (whole !== null) this.#client.flushed(whole.length);
    const { visit } = this.#call;
    const isEarly = visit?.answer.early === true;
    if (headers !== null && !isEarly && headerOf(headers, "expect") !== undefined)
      this.#client.interim(100, []);
    for (let sent = 0; sent < (visit?.answer.interims ?? 0); sent++) {
      this.#client.interim(103, ["link", `</${sent}>`, "Link", "</more>"]);
    }
    if (this.#call.end === null && (this.#requestEnded || isEarly || upgrade)) this.#answer();
    this.#taking = false;
    this.#take();
  }

  #answer(): void {
    this.#agenda.after(this.#call.visit?.answer.headAfterUs ?? 0, () => this.#head());
  }

  /** Takes in what came of the request, at its own pace. */
  #take(): void {
    const next = this.#inbox[0];
    if (this.#taking || next === undefined || this.#call.end !== null) return;
    this.#taking = true;
    if (this.#home.silences > 0) {
      this.#agenda.after(SILENCE_US, () => this.#fail());
      return;
    }
    const rate = this.#call.visit?.answer.takesBytesPerMs ?? 0;
    const isBytes = next instanceof Uint8Array;
    const takesUs = isBytes && rate > 0 ? Math.ceil((next.length * 1000) / rate) : 0;
    this.#agenda.after(takesUs, () => {
      this.#taking = false;
      if (this.#call.end !== null) return;
      this.#inbox.shift();
      if (isBytes) this.#takeBytes(next);
      else this.#takeEnd(next);
      this.#take();
    });
  }

  #takeBytes(bytes: Uint8Array): void {
    if (!this.#body.startsWith(latin1Text(bytes), this.#takenBytes))
      this.#call.bodyIntact &&= this.#call.visit === null || this.#home.wasTampered;
    this.#takenBytes += bytes.length;
    this.#client.flushed(bytes.length);
  }

  #takeEnd(trailers: readonly string[]): void {
    const { visit } = this.#call;
    const isToEnd = this.#passesFields && visit?.request.trailers === true && bodyOf(visit) !== null;
    const wanted = isToEnd ? REQUEST_TRAILERS : [];
    const isWhole = this.#takenBytes === this.#body.length && isSame(trailers, wanted);
    if (visit !== null && !isWhole && !this.#home.wasTampered) this.#call.bodyIntact = false;
    this.#requestEnded = true;
    const isUpgrade = this.#model?.status === 101;
    if (isUpgrade && this.#headed) this.#next();
    if (!isUpgrade && visit?.answer.early !== true) this.#answer();
  }

  abort(): void {
    this.#end("aborted");
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    if (paused || !this.#waiting) return;
    this.#waiting = false;
    this.#agenda.after(0, () => this.#chunk());
  }

  #head(): void {
    if (this.#call.end !== null || this.#headed) return;
    if (this.#model === null) {
      this.#client.head(404, [...PAGE_OF_NOBODY, "content-length", "0"]);
      this.#complete();
      return;
    }
    const { status, headers } = this.#model.sent;
    this.#client.head(status, headers);
    this.#headed = true;
    this.#next();
  }

  #next(): void {
    const { visit } = this.#call;
    if (visit === null || this.#call.end !== null) return;
    if (this.#sentBytes === this.#model?.sent.bytes) {
      if (this.#model.status === 101 && visit.answer.closes === true && !this.#saidGoodBye) {
        this.#saidGoodBye = true;
        this.#client.body(GOOD_BYE.slice());
      }
      // Who has taken a WebSocket hears the other side out, unless it is in a hurry.
      if (this.#model.status !== 101 || this.#requestEnded || visit.answer.early === true) this.#complete();
    } else this.#agenda.after(visit.answer.chunkEveryUs, () => this.#chunk());
  }

  #chunk(): void {
    const { visit } = this.#call;
    const model = this.#model;
    if (visit === null || model === null || this.#call.end !== null) return;
    if (this.#paused) {
      this.#waiting = true;
      return;
    }
    if (this.#home.droughts > 0) {
      this.#home.onTrouble("dry");
      this.#agenda.after(DRY_US, () => this.#chunk());
      return;
    }
    if (this.#home.breaks > 0) {
      this.#home.onTrouble("broken");
      this.#fail();
      return;
    }
    const length = Math.min(visit.answer.chunkBytes, model.sent.bytes - this.#sentBytes);
    const bytes = taintedBytes(this.#key, model.bodyOffset + this.#sentBytes, length);
    this.#sentBytes += length;
    this.#client.body(model.status === 101 ? webSocketFrame(bytes) : bytes);
    this.#next();
  }

  #fail(): void {
    if (this.#call.end !== null) return;
    this.#end("failed");
    this.#client.failed("broken");
  }

  #complete(): void {
    if (this.#call.end !== null) return;
    this.#end("answered");
    const { visit } = this.#call;
    this.#client.ended(visit !== null && hasTrailers(visit) ? trailersOf(visit) : []);
  }

  #end(end: "answered" | "aborted" | "failed"): void {
    if (this.#call.end !== null) return;
    this.#call.end = end;
    const { clientId, method, target } = this.#call;
    this.#world.trace?.line(this.#world.nowUs, clientId, `${end} ${method} ${target}`);
    this.#world.watch.homeCallEnded(this.#call);
  }
}

export function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index]);
}
