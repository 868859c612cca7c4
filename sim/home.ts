/**
 * The home service behind an agent: answers each visit as the model says, in chunks and at its own pace, and keeps a
 * record of every call.
 */
import { answerOf, hasTrailers, type ModelAnswer, taintedBytes, taintKey, trailersOf } from "./model.ts";
import { LIST_HEADERS } from "./quirks.ts";
import { bodyOf, REQUEST_TRAILERS } from "./request.ts";
import type { VisitOperation } from "./scenario.ts";
import { latin1Text } from "./text.ts";
import type { Recorder } from "./trace.ts";
import { headerOf } from "./visitor.ts";
import { webSocketFrame } from "./web-socket-frame.ts";
import type { Agenda, World } from "./world.ts";

/** One request that reached a home. */
export type HomeCall = {
  readonly clientId: string;
  /** The visit that it belongs to; null where nobody's visit asks for that. */
  readonly visit: VisitOperation | null;
  readonly method: string;
  readonly target: string;
  readonly atUs: number;
  /** Whether what came of the request body is what the visitor sent, and all of it where it ended. */
  bodyIntact: boolean;
  /** Whether the fields that have to come as they are did; also where the agent passes no fields on. */
  readonly headersIntact: boolean;
  /** How it ended; null while it runs. */
  end: "answered" | "aborted" | "failed" | null;
};

/** What a home tells whoever asked. */
export type HomeClient = {
  /** For a recorder. */
  readonly name: string;
  /** So much of the request body was taken in. */
  readonly flushed: (bytes: number) => void;
  readonly interim: (status: number, headers: readonly string[]) => void;
  readonly head: (status: number, headers: readonly string[]) => void;
  readonly body: (bytes: Uint8Array) => void;
  readonly ended: (trailers: readonly string[]) => void;
  readonly failed: (fault: "refused" | "broken" | "malformed" | "connect_timeout") => void;
};

/** A request under way. */
export type HomeRequest = {
  readonly abort: () => void;
  readonly pause: (paused: boolean) => void;
  /** More of a streamed body, or of an upgraded connection. */
  readonly send: (bytes: Uint8Array) => void;
  readonly sendEnd: (trailers: readonly string[]) => void;
};

/** What an agent asks for. */
export type HomeQuestion = {
  readonly method: string;
  readonly target: string;
  /** Null from an agent that passes none on. */
  readonly headers: readonly string[] | null;
  /** Of one byte to a character. */
  readonly body: string | "streamed" | null;
  readonly upgrade?: boolean;
};

const REFUSED: HomeRequest = { abort: () => {}, pause: () => {}, send: () => {}, sendEnd: () => {} };

/** How long a request takes on the private network. */
const CONNECT_US = 300;
/** A service that says nothing is given up by its own machine at last. */
const SILENCE_US = 60_000_000;

/** A service that has run dry looks again this often whether it may go on. */
const DRY_US = 200_000;

export type HomeTrouble = "refused" | "silent" | "broken" | "dry";

export class Home {
  readonly clientId: string;
  readonly calls: HomeCall[] = [];
  /** Connections are refused while above 0. */
  refusals = 0;
  /** Requests are taken and never answered while above 0. */
  silences = 0;
  /** Answers break in the middle while above 0. */
  breaks = 0;
  /** Answers stop in the middle, and go on when it is 0 again. */
  droughts = 0;
  /** Somebody on the way to the agent put frames of his own among its server's: any bytes may come. */
  wasTampered = false;
  /** Tells a fault that it did something. */
  onTrouble: (what: HomeTrouble) => void = () => {};
  readonly #world: World;
  readonly #visitOf: (target: string) => VisitOperation | null;

  constructor(world: World, clientId: string, visitOf: (target: string) => VisitOperation | null) {
    this.#world = world;
    this.clientId = clientId;
    this.#visitOf = visitOf;
  }

  request(request: HomeQuestion, client: HomeClient): HomeRequest {
    const agenda = this.#world.agenda(`home:${this.clientId}:${request.target}:${this.calls.length}`);
    const visit = this.#visitOf(request.target);
    const heard = this.#world.trace === null ? client : this.#overheard(this.#world.trace, visit, client);
    if (this.refusals > 0) {
      this.onTrouble("refused");
      agenda.after(CONNECT_US, () => heard.failed("refused"));
      return REFUSED;
    }
    const isWhole = request.body !== "streamed" && request.upgrade !== true;
    const call: HomeCall = {
      clientId: this.clientId,
      visit,
      method: request.method,
      target: request.target,
      atUs: this.#world.nowUs,
      bodyIntact: visit === null || !isWhole || (request.body ?? "") === (bodyOf(visit) ?? ""),
      headersIntact: visit === null || request.headers === null || areIntact(visit, request.headers),
      end: null,
    };
    this.calls.push(call);
    this.#world.trace?.line(call.atUs, this.clientId, `${call.method} ${call.target}`);
    this.#world.watch.homeCalled(call);
    return new Answer(this.#world, agenda, { home: this, call, client: heard, request });
  }

  /** The same client, with a recorder that listens in. */
  #overheard(recorder: Recorder, visit: VisitOperation | null, client: HomeClient): HomeClient {
    const pass = (from: string, to: string, content: object) => {
      const message = { ...content, visit: visit?.id ?? null };
      recorder.sent(this.#world.nowUs, from, to, message);
      recorder.arrived(this.#world.nowUs, message);
    };
    const answer = (content: object) => pass(this.clientId, client.name, content);
    pass(client.name, this.clientId, { kind: "request" });
    return {
      ...client,
      interim: (status, headers) => {
        answer({ kind: "interim", status, headers });
        client.interim(status, headers);
      },
      head: (status, headers) => {
        answer({ kind: "head", status, headers });
        client.head(status, headers);
      },
      body: (bytes) => {
        answer({ kind: "body", bytes });
        client.body(bytes);
      },
      ended: (trailers) => {
        answer({ kind: "end" });
        client.ended(trailers);
      },
      failed: (fault) => {
        answer({ kind: "failed", fault });
        client.failed(fault);
      },
    };
  }
}

class Answer implements HomeRequest {
  readonly #world: World;
  readonly #agenda: Agenda;
  readonly #home: Home;
  readonly #call: HomeCall;
  readonly #client: HomeClient;
  readonly #key: number;
  /** Null where nobody's visit asks for that. */
  readonly #model: ModelAnswer | null;
  /** What the request body has to be, and how much of it was taken in. */
  readonly #body: string;
  #takenBytes = 0;
  /** Came and was not taken in yet; a list of trailers ends it. */
  readonly #inbox: (Uint8Array | readonly string[])[] = [];
  #taking = false;
  #requestEnded: boolean;
  #headed = false;
  #paused = false;
  #waiting = false;
  #sentBytes = 0;

  constructor(
    world: World,
    agenda: Agenda,
    {
      home,
      call,
      client,
      request,
    }: {
      readonly home: Home;
      readonly call: HomeCall;
      readonly client: HomeClient;
      readonly request: HomeQuestion;
    },
  ) {
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
  }

  #answer(): void {
    this.#agenda.after(this.#call.visit?.answer.headAfterUs ?? 0, () => this.#head());
  }

  /** Takes in what came of the request, at its own pace. */
  #take(): void {
    const next = this.#inbox[0];
    if (this.#taking || next === undefined || this.#call.end !== null || this.#home.silences > 0) return;
    this.#taking = true;
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
    const wanted = visit?.request.trailers === true && bodyOf(visit) !== null ? REQUEST_TRAILERS : [];
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
      this.#client.head(404, ["content-length", "0"]);
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

/** Whether fields that no hop may touch came in their order and spelling. */
function areIntact({ request: { quirks = [] } }: VisitOperation, headers: readonly string[]): boolean {
  if (!quirks.includes("list_headers")) return true;
  const first = headers.indexOf(LIST_HEADERS[0]);
  return first >= 0 && isSame(headers.slice(first, first + LIST_HEADERS.length), LIST_HEADERS);
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index]);
}
