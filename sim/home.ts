/**
 * The home service behind an agent: answers each visit as the model says, in chunks and at its own pace, and keeps a
 * record of every call.
 */
import { answerOf, type ModelAnswer, requestBodyOf, taintedBytes, taintKey } from "./model.ts";
import type { VisitOperation } from "./scenario.ts";
import type { Recorder } from "./trace.ts";
import type { Agenda, World } from "./world.ts";

/** One request that reached a home. */
export type HomeCall = {
  readonly clientId: string;
  /** The visit that it belongs to; null where nobody's visit asks for that. */
  readonly visit: VisitOperation | null;
  readonly method: string;
  readonly target: string;
  readonly atUs: number;
  /** Whether the request body is what the visitor sent. */
  readonly bodyIntact: boolean;
  /** How it ended; null while it runs. */
  end: "answered" | "aborted" | "failed" | null;
};

/** What a home tells whoever asked. */
export type HomeClient = {
  /** For a recorder. */
  readonly name: string;
  readonly head: (status: number, headers: readonly string[]) => void;
  readonly body: (bytes: Uint8Array) => void;
  readonly ended: () => void;
  readonly failed: (fault: "refused" | "broken" | "malformed" | "connect_timeout") => void;
};

/** A request under way. */
export type HomeRequest = { readonly abort: () => void; readonly pause: (paused: boolean) => void };

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
  /** Tells a fault that it did something. */
  onTrouble: (what: HomeTrouble) => void = () => {};
  readonly #world: World;
  readonly #visitOf: (target: string) => VisitOperation | null;

  constructor(world: World, clientId: string, visitOf: (target: string) => VisitOperation | null) {
    this.#world = world;
    this.clientId = clientId;
    this.#visitOf = visitOf;
  }

  request(
    request: { readonly method: string; readonly target: string; readonly body: string | null },
    client: HomeClient,
  ): HomeRequest {
    const agenda = this.#world.agenda(`home:${this.clientId}:${request.target}:${this.calls.length}`);
    const visit = this.#visitOf(request.target);
    const heard = this.#world.trace === null ? client : this.#overheard(this.#world.trace, visit, client);
    if (this.refusals > 0) {
      this.onTrouble("refused");
      agenda.after(CONNECT_US, () => heard.failed("refused"));
      return { abort: () => {}, pause: () => {} };
    }
    const call: HomeCall = {
      clientId: this.clientId,
      visit,
      method: request.method,
      target: request.target,
      atUs: this.#world.nowUs,
      bodyIntact: visit === null || request.body === requestBodyOf(visit),
      end: null,
    };
    this.calls.push(call);
    this.#world.trace?.line(call.atUs, this.clientId, `${call.method} ${call.target}`);
    this.#world.watch.homeCalled(call);
    return new Answer(this.#world, agenda, this, call, heard);
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
      name: client.name,
      head: (status, headers) => {
        answer({ kind: "head", status, headers });
        client.head(status, headers);
      },
      body: (bytes) => {
        answer({ kind: "body", bytes });
        client.body(bytes);
      },
      ended: () => {
        answer({ kind: "end" });
        client.ended();
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
  #paused = false;
  #waiting = false;
  #sentBytes = 0;

  constructor(world: World, agenda: Agenda, home: Home, call: HomeCall, client: HomeClient) {
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
    } else this.#agenda.after(CONNECT_US + (call.visit?.answer.headAfterUs ?? 0), () => this.#head());
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
    if (this.#call.end !== null) return;
    if (this.#model === null) {
      this.#client.head(404, ["content-length", "0"]);
      this.#complete();
      return;
    }
    const { status, headers } = this.#model.sent;
    this.#client.head(status, headers);
    this.#next();
  }

  #next(): void {
    const { visit } = this.#call;
    if (visit === null) return;
    if (this.#sentBytes === this.#model?.sent.bytes) this.#complete();
    else this.#agenda.after(visit.answer.chunkEveryUs, () => this.#chunk());
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
    this.#client.body(bytes);
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
    this.#client.ended();
  }

  #end(end: "answered" | "aborted" | "failed"): void {
    if (this.#call.end !== null) return;
    this.#call.end = end;
    const { clientId, method, target } = this.#call;
    this.#world.trace?.line(this.#world.nowUs, clientId, `${end} ${method} ${target}`);
    this.#world.watch.homeCallEnded(this.#call);
  }
}
