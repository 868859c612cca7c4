/**
 * A home's end of one connection: takes requests off its bytes, has them answered one after the other, and puts the answers
 * into bytes. It says more than it should, or less, where a scenario wants that.
 */
import type { HomeEnd, HomeLine } from "../../network/home-line.ts";
import type { HomeCall, HomeConnectionRecord } from "../../record/home-call.ts";
import { ownPlaces } from "../../scenario/answers.ts";
import type { VisitOperation } from "../../scenario/scenario.ts";
import { headerOf } from "../../tools/headers.ts";
import type { Random } from "../../tools/random.ts";
import { joined } from "../../wire/frame.ts";
import { RequestReader } from "../../wire/request-reader.ts";
import type { Agenda, World } from "../../world/world.ts";
import { HomeReply, unaskedBytes } from "./reply.ts";
import type { HomeClient, HomeQuestion, HomeRequest } from "./request.ts";

/** What is said within so short a time leaves together. */
const CORK_US = 20;
/** Above this many bytes that have not left, the home waits. */
const UNSENT_BYTES_MAX = 64 * 1024;
/** What comes late comes within so many microseconds after an answer, mostly much sooner. */
const LATE_US_MAX = 2_000_000;

/** The home that answers what comes on it. */
export type HomeService = {
  readonly clientId: string;
  readonly idleMs: number;
  readonly visitOf: (target: string) => VisitOperation | null;
  readonly request: (question: HomeQuestion, client: HomeClient) => HomeRequest;
};

/** Whose connection it is. */
export type HomeVisitor = {
  /** Of the connection; unique in a run. */
  readonly name: string;
  /** The agent's process. */
  readonly agent: string;
  /** Whether what visitors' requests say in fields comes this far. */
  readonly passesFields: boolean;
};

type Exchange = {
  readonly request: HomeRequest;
  readonly reply: HomeReply;
  readonly call: HomeCall | null;
  requestEnded: boolean;
  answered: boolean;
};

export class HomeConnection implements HomeEnd {
  readonly #world: World;
  readonly #home: HomeService;
  readonly #line: HomeLine;
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #record: HomeConnectionRecord;
  readonly #passesFields: boolean;
  readonly #reader = new RequestReader();
  #exchange: Exchange | null = null;
  /** Of the request body: handed over, and not taken in yet. */
  #untakenBytes = 0;
  #over = false;
  #cork: Uint8Array[] = [];
  /** How many bytes of it answer something, and how many had been heard when others came behind them. */
  #answeringBytes = 0;
  #heardBytes = 0;
  #unsentBytes = 0;
  /** Counts the turns of being idle. */
  #turns = 0;

  constructor(world: World, home: HomeService, line: HomeLine, { name, agent, passesFields }: HomeVisitor) {
    this.#world = world;
    this.#home = home;
    this.#line = line;
    this.#agenda = world.agenda(name);
    this.#random = world.random(name);
    this.#record = { clientId: home.clientId, agent, calls: [], logins: new Set() };
    this.#passesFields = passesFields;
    this.#fallIdle(home.idleMs);
  }

  bytes(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#turns++;
    this.#reader.put(bytes);
    this.#read();
  }

  /** The agent ends its side of an upgrade, or leaves. */
  ended(): void {
    if (this.#over) return;
    const { call, request } = this.#exchange ?? {};
    if (call?.visit?.request.upgrade === true && call.end === null) request?.sendEnd([]);
    else this.#close();
  }

  closed(): void {
    this.#over = true;
    this.#exchange?.request.abort();
  }

  left(): void {
    const call = this.#exchange?.call ?? null;
    if (call !== null) call.silent = false;
  }

  drained(): void {
    this.#unsentBytes = 0;
    this.#exchange?.request.pause(false);
  }

  #read(): void {
    while (!this.#over && this.#untakenBytes === 0) {
      const part = this.#reader.next();
      if (part === null) break;
      switch (part.type) {
        case "head":
          this.#begin(part);
          break;
        case "body":
          this.#take(part.bytes);
          break;
        case "end":
          this.#endRequest(part.trailers);
          break;
        case "malformed":
          this.#misread(part.why);
      }
    }
    this.#line.pauseHome(this.#untakenBytes > 0);
  }

  #begin({
    method,
    target,
    headers,
    hasBody,
  }: {
    readonly method: string;
    readonly target: string;
    readonly headers: readonly string[];
    readonly hasBody: boolean;
  }): void {
    const upgrade = headerOf(headers, "upgrade") !== undefined;
    const visit = this.#home.visitOf(target);
    const reply = new HomeReply(method, visit, (bytes, unasked) => this.#say(bytes, unasked));
    const before = this.#record.calls.length;
    const request = this.#home.request(
      {
        method,
        target,
        headers: this.#passesFields ? headers : null,
        body: hasBody ? "streamed" : null,
        upgrade,
        connection: this.#record,
      },
      {
        name: this.#record.agent,
        flushed: (bytes) => this.#onTaken(bytes),
        interim: (status, list) => reply.interim(status, list),
        head: (status, list) => {
          const names = visit?.answer.quirks?.includes("names_itself") === true;
          const own = names ? ownPlaces(headerOf(headers, "host") ?? "") : [];
          this.#head(exchange, status, [...list, ...own]);
        },
        body: (bytes) => reply.body(bytes),
        ended: (trailers) => this.#endAnswer(exchange, trailers),
        failed: () => this.#breakOff(exchange),
      },
    );
    const call = this.#record.calls[before] ?? null;
    const exchange: Exchange = { request, reply, call, requestEnded: !hasBody, answered: false };
    this.#exchange = exchange;
    if (visit !== null && bindsLogin(visit, headers)) this.#record.logins.add(visit.id);
  }

  #take(bytes: Uint8Array): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    // Who has answered hears the rest out, and it has to be that.
    if (exchange.answered) exchange.request.overhear?.(bytes);
    else {
      this.#untakenBytes += bytes.length;
      exchange.request.send(bytes);
    }
  }

  #onTaken(bytes: number): void {
    this.#untakenBytes = Math.max(0, this.#untakenBytes - bytes);
    if (this.#untakenBytes === 0) this.#agenda.after(0, () => this.#read());
  }

  #endRequest(trailers: readonly string[]): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    exchange.requestEnded = true;
    if (exchange.answered) this.#fallIdle(this.#home.idleMs);
    else exchange.request.sendEnd(trailers);
  }

  #misread(why: string): void {
    this.#world.watch.homeMisread(this.#record, why);
    this.#line.resetHome();
    this.closed();
  }

  #head(exchange: Exchange, status: number, headers: readonly string[]): void {
    const { reply } = exchange;
    if (reply.hangsUp) {
      this.#breakOff(exchange);
      return;
    }
    if (status === 101) this.#reader.switch();
    reply.head(status, headers);
    if (status === 101) this.#agenda.after(0, () => this.#read());
  }

  #endAnswer(exchange: Exchange, trailers: readonly string[]): void {
    if (this.#over) return;
    exchange.answered = true;
    this.#untakenBytes = 0;
    const afterwards = exchange.reply.ended(trailers);
    const visit = exchange.call?.visit ?? null;
    const quirks = visit?.answer.quirks ?? [];
    if (quirks.includes("surplus") && exchange.reply.hasEnd) this.#say(this.#unasked(), true);
    if (quirks.includes("late_bytes")) this.#sayLater(this.#line.heardBytes);
    if (afterwards.kind === "closed") {
      this.#uncork();
      this.#close();
    } else if (exchange.requestEnded) {
      this.#fallIdle(afterwards.announcedMs ?? this.#home.idleMs);
    } else {
      if (visit?.answer.deliveries?.includes("half_closes") === true) {
        this.#uncork();
        this.#line.endHome();
      }
      this.#agenda.after(0, () => this.#read());
    }
  }

  #sayLater(heardBytes: number): void {
    this.#agenda.after(this.#random.skewed(0, LATE_US_MAX), () => {
      // By now it would be an answer to something.
      if (this.#line.heardBytes === heardBytes) this.#say(this.#unasked(), true);
    });
  }

  #unasked(): Uint8Array {
    return unaskedBytes(this.#home.clientId, this.#random.below(4));
  }

  /** An answer ends in the middle. Where only the end of the connection tells the end of a body, that has to look otherwise. */
  #breakOff({ request, reply }: Exchange): void {
    if (this.#over) return;
    const isSilent = reply.silent;
    this.#uncork();
    request.abort();
    if (isSilent && this.#random.chance(1, 2)) this.#close();
    else {
      this.#over = true;
      this.#line.resetHome();
    }
  }

  #close(): void {
    this.#over = true;
    this.#exchange?.request.abort();
    this.#line.closeHome();
  }

  #fallIdle(idleMs: number): void {
    const turn = ++this.#turns;
    this.#agenda.after(idleMs * 1000, () => {
      if (this.#turns === turn && !this.#over) this.#close();
    });
  }

  #say(bytes: Uint8Array, unasked: boolean): void {
    if (this.#over) return;
    if (this.#cork.length === 0) {
      this.#agenda.after(CORK_US, () => this.#uncork());
      this.#answeringBytes = 0;
    }
    this.#cork.push(bytes);
    if (unasked) this.#heardBytes = this.#line.heardBytes;
    else this.#answeringBytes += bytes.length;
    this.#unsentBytes += bytes.length;
    if (this.#unsentBytes > UNSENT_BYTES_MAX) this.#exchange?.request.pause(true);
  }

  #uncork(): void {
    const cork = this.#cork;
    this.#cork = [];
    if (cork.length === 0) return;
    const bytewise = this.#exchange?.call?.visit?.answer.deliveries?.includes("bytewise") === true;
    const bytes = joined(cork);
    const answeringBytes = this.#answeringBytes;
    const heardBytes = this.#heardBytes;
    // Half of the time what nobody asked for comes together with the end of what somebody did.
    const isApart = answeringBytes < bytes.length && this.#random.chance(1, 2);
    const alone = bytewise ? Math.min(answeringBytes, BYTES_ALONE) : 0;
    for (let at = 0; at < alone; at++) this.#line.send(bytes.subarray(at, at + 1));
    if (isApart) this.#line.send(bytes.subarray(alone, answeringBytes));
    const from = isApart ? answeringBytes : alone;
    this.#line.send(bytes.subarray(from), { from: answeringBytes - from, heardBytes });
  }
}

/** As much of a head as is of interest. */
const BYTES_ALONE = 60;

/** NTLM, and Negotiate as it is deployed: whoever has logged in on a connection is taken for its user from then on. */
function bindsLogin({ answer }: VisitOperation, headers: readonly string[]): boolean {
  const shown = headerOf(headers, "authorization") ?? "";
  return answer.quirks?.includes("binds_login") === true || /^(?:NTLM|Negotiate) /.test(shown);
}
