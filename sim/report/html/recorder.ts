/**
 * Records a run for the picture: moments, which are what happened at one place at one instant, and the messages between
 * them. Whatever is told at the same place and time belongs to one moment, save that each step is a moment of its own.
 */
import type { Recorder } from "../../record/recorder.ts";
import type { Fault, Scenario } from "../../scenario/scenario.ts";
import { redact } from "../trace.ts";
import { effectLabel, eventLabel, isQuiet, stepLabel } from "./labels.ts";
import { describeBytes, describeMessage, describeText, type Family } from "./messages.ts";
import { Places, WORLD } from "./places.ts";
import { type Field, fieldsOf } from "./show.ts";
import { Topics } from "./topics.ts";

/** What a moment consists of, in order. */
export type Item = {
  readonly kind: "event" | "effect" | "fact" | "fault" | "violation";
  readonly title: string;
  readonly fields: readonly Field[];
};

export type Moment = {
  readonly index: number;
  readonly place: string;
  /** The process, visit or socket by its full name. */
  who: string;
  readonly atUs: number;
  /** Number of the machine step; null where no machine stepped. */
  step: number | null;
  label: string;
  /** Nothing followed from it. */
  quiet: boolean;
  tone: "plain" | "fault" | "violation" | "healed";
  readonly topics: Set<number>;
  readonly items: Item[];
};

export type Message = {
  readonly family: Family;
  readonly label: string;
  readonly fields: readonly Field[];
  readonly from: number;
  /** Empty where it is not known, because it never arrived. */
  toPlace: string;
  /** Index of the moment at which it arrived; null where it never did. */
  to: number | null;
  readonly topics: readonly number[];
};

export type FaultRecord = {
  readonly fault: Fault;
  readonly place: string;
  /** Index of the moment at which it began; null where the run ended before. */
  moment: number | null;
  fired: number;
};

export type Life = {
  readonly place: string;
  readonly process: string;
  readonly atUs: number;
  readonly starts: boolean;
};

export class PictureRecorder implements Recorder {
  readonly places: Places;
  readonly topics: Topics;
  readonly moments: Moment[] = [];
  readonly messages: Message[] = [];
  readonly faults: readonly FaultRecord[];
  readonly lives: Life[] = [];
  readonly #lastAt = new Map<string, Moment>();
  /** What arrived at a place at one instant. */
  readonly #newsAt = new Map<string, Moment[]>();
  readonly #underWay = new Map<object, Message[]>();
  /** Of the step that was told last. */
  #eventLabel = "";
  #effectLabels: string[] = [];
  #faultsBegun = 0;
  #healed = false;

  constructor(scenario: Scenario) {
    this.places = new Places(scenario);
    this.topics = new Topics(this.places, clientsOf(scenario));
    this.faults = scenario.faults
      .map((fault) => ({ fault, place: this.places.faultPlace(scenario, fault), moment: null, fired: 0 }))
      .sort((a, b) => a.fault.fromMs - b.fault.fromMs || a.fault.id - b.fault.id);
  }

  line(nowUs: number, who: string, text: string): void {
    this.#beginFaults(nowUs);
    if (who === "FAULT") this.#faultFired(nowUs, text);
    else if (who === "VIOLATION") this.#violated(nowUs, text);
    else if (who === "HEAL") this.#heal(nowUs, text);
    else this.#fact(nowUs, who, redact(text));
  }

  event(nowUs: number, step: number, process: string, event: object): void {
    this.#beginFaults(nowUs);
    const type = typeOf(event);
    const place = this.places.placeOf(process);
    const label = eventLabel(type, event);
    const moment = this.#takeNews(nowUs, place, label) ?? this.#create(nowUs, place, process);
    this.#lastAt.set(place, moment);
    moment.who = process;
    moment.step = step;
    moment.label = label;
    moment.quiet = isQuiet(type);
    moment.items.push({ kind: "event", title: type, fields: fieldsOf(event) });
    this.#eventLabel = moment.label;
    this.#effectLabels = [];
    this.#attribute(moment, process, event);
  }

  effect(_nowUs: number, process: string, effect: object): void {
    const moment = this.#lastAt.get(this.places.placeOf(process));
    if (moment === undefined) return;
    const type = typeOf(effect);
    const label = effectLabel(type, effect);
    moment.items.push({ kind: "effect", title: type, fields: fieldsOf(effect) });
    moment.quiet = false;
    this.#attribute(moment, process, effect);
    if (label === null) return;
    this.#effectLabels.push(label);
    moment.label = stepLabel(this.#eventLabel, this.#effectLabels);
  }

  started(nowUs: number, process: string, idBase: number | null): void {
    this.#beginFaults(nowUs);
    if (idBase !== null) this.topics.serverStarted(process, idBase);
    this.#life(nowUs, process, true);
  }

  ended(nowUs: number, process: string): void {
    this.#beginFaults(nowUs);
    this.#life(nowUs, process, false);
  }

  sent(nowUs: number, from: string, to: string, message: object): void {
    this.#beginFaults(nowUs);
    const places = { from: this.places.placeOf(from), to: this.places.placeOf(to) };
    const tunnel = ![places.from, places.to].some((place) => place.startsWith("socket:"));
    const { wireIds, ...described } = describeMessage(message, tunnel);
    if ("headers" in message && "target" in message) {
      this.topics.knocks(places.from, message.headers, String(message.target));
    }
    const moment = this.#momentAt(nowUs, places.from, whoOf(places.from));
    const topics = this.#topicsOf(message, [places.from, places.to], wireIds);
    if (described.family === "registry") for (const topic of moment.topics) topics.add(topic);
    for (const topic of topics) moment.topics.add(topic);
    if (moment.label === "") moment.label = described.label;
    const sent = {
      ...described,
      from: moment.index,
      toPlace: to === "" ? "" : places.to,
      to: null,
      topics: [...topics],
    };
    this.messages.push(sent);
    const waiting = this.#underWay.get(message);
    if (waiting === undefined) this.#underWay.set(message, [sent]);
    else waiting.push(sent);
  }

  arrived(nowUs: number, message: object, at?: string): void {
    this.#beginFaults(nowUs);
    const sent = this.#underWay.get(message)?.shift();
    if (sent === undefined || isVoid(message)) return;
    if (at !== undefined) sent.toPlace = this.places.placeOf(at);
    const moment = this.#create(nowUs, sent.toPlace, whoOf(sent.toPlace), { label: sent.label });
    moment.quiet = sent.label === "ping" || sent.label === "pong";
    for (const topic of sent.topics) moment.topics.add(topic);
    sent.to = moment.index;
    const news = this.#newsAt.get(moment.place);
    if (news?.at(-1)?.atUs === nowUs) news.push(moment);
    else this.#newsAt.set(moment.place, [moment]);
  }

  /**
   * What arrived just now and was not acted upon yet is what a step is about. A step that resumes a connection lets
   * several messages arrive at once, before the steps that they cause.
   */
  #takeNews(nowUs: number, place: string, label: string): Moment | null {
    const news = this.#newsAt.get(place) ?? [];
    if (news.at(-1)?.atUs !== nowUs) return null;
    const named = news.findIndex((moment) => moment.label === label);
    return news.splice(named === -1 ? news.length - 1 : named, 1)[0] ?? null;
  }

  /** The run ended here, and not by its own rules. */
  crashed(text: string): void {
    this.#violated(this.moments.at(-1)?.atUs ?? 0, text);
  }

  /** The faults that were to begin by then have begun. */
  #beginFaults(nowUs: number): void {
    for (;;) {
      const next = this.faults[this.#faultsBegun];
      if (next === undefined || this.#healed || next.fault.fromMs * 1000 > nowUs) return;
      this.#faultsBegun++;
      const { kind, fromMs, parameters } = next.fault;
      const options = { label: kind, tone: "fault" } as const;
      const moment = this.#create(fromMs * 1000, next.place, whoOf(next.place), options);
      moment.items.push({ kind: "fault", title: `${kind} begins`, fields: fieldsOf(parameters) });
      next.moment = moment.index;
    }
  }

  #heal(nowUs: number, text: string): void {
    this.#healed = true;
    this.#create(nowUs, WORLD, "", { label: text, tone: "healed" });
  }

  #faultFired(nowUs: number, kind: string): void {
    const record = this.#faultOf(nowUs, kind);
    if (record !== undefined) record.fired++;
    const latest = this.moments.at(-1);
    const place = record?.place ?? WORLD;
    const moment =
      latest?.atUs === nowUs ? latest : this.#create(nowUs, place, place, { label: kind, tone: "fault" });
    moment.quiet = false;
    moment.items.push({ kind: "fault", title: `${kind} fired`, fields: [] });
  }

  /** Of several at work, the one that began last. */
  #faultOf(nowUs: number, kind: string): FaultRecord | undefined {
    const begun = this.faults.slice(0, this.#faultsBegun).filter(({ fault }) => fault.kind === kind);
    return begun.findLast(({ fault }) => nowUs <= fault.toMs * 1000) ?? begun.at(-1);
  }

  #violated(nowUs: number, text: string): void {
    const cause = this.moments.at(-1);
    const moment = this.#create(nowUs, WORLD, "", { label: redact(text), tone: "violation" });
    for (const [, place = ""] of text.matchAll(/\b((?:visit|socket) \d+)\b/g)) {
      addTo(moment.topics, this.topics.ofPlace(this.places.placeOf(place)));
    }
    const seen = cause === undefined || cause.atUs !== nowUs ? "" : String(cause.index);
    moment.items.push({
      kind: "violation",
      title: redact(text),
      fields: seen === "" ? [] : [["moment", seen]],
    });
  }

  #fact(nowUs: number, who: string, text: string): void {
    const moment = this.#momentAt(nowUs, this.places.placeOf(who), who);
    moment.items.push({ kind: "fact", title: text, fields: [] });
    // What the registry was asked says more than the row that it changed.
    if (moment.step === null && (moment.label === "" || moment.place !== "registry")) moment.label = text;
  }

  #life(nowUs: number, process: string, starts: boolean): void {
    this.lives.push({ place: this.places.placeOf(process), process, atUs: nowUs, starts });
    this.#fact(nowUs, process, starts ? `${process} starts` : `${process} ends`);
  }

  #momentAt(nowUs: number, place: string, who: string): Moment {
    const last = this.#lastAt.get(place);
    return last?.atUs === nowUs ? last : this.#create(nowUs, place, who);
  }

  #create(nowUs: number, place: string, who: string, options: Partial<Moment> = {}): Moment {
    const topic = this.topics.ofPlace(place);
    const moment: Moment = {
      index: this.moments.length,
      place,
      who,
      atUs: nowUs,
      step: null,
      label: "",
      quiet: false,
      tone: "plain",
      topics: new Set(topic === null ? [] : [topic]),
      items: [],
      ...options,
    };
    this.moments.push(moment);
    // A step goes on after the fault that befell its place.
    if (moment.tone === "plain") this.#lastAt.set(place, moment);
    return moment;
  }

  #attribute(moment: Moment, process: string, value: object): void {
    const content: Readonly<Record<string, unknown>> = { ...value };
    const described = wireContent(content);
    for (const wireId of described?.wireIds ?? []) addTo(moment.topics, this.topics.ofWireId(wireId));
    addTo(moment.topics, this.topics.ofHandles(process, value, moment.topics));
  }

  #topicsOf(message: object, places: readonly string[], wireIds: readonly number[]): Set<number> {
    const topics = new Set<number>();
    for (const place of places) addTo(topics, this.topics.ofPlace(place));
    for (const wireId of wireIds) addTo(topics, this.topics.ofWireId(wireId));
    if ("visit" in message && typeof message.visit === "number")
      addTo(topics, this.topics.ofVisit(message.visit));
    return topics;
  }
}

/** What an event or effect carries over the wire, as far as it is told apart from other bytes. */
function wireContent(
  content: Readonly<Record<string, unknown>>,
): { readonly wireIds: readonly number[] } | null {
  if (typeof content.text === "string") return describeText(content.text);
  const bytes = content.type === "socket_bytes" ? content.bytes : content.header;
  return bytes instanceof Uint8Array ? describeBytes(bytes, bytes.length) : null;
}

/** It stands for a frame that a fault took away, and arrives as nothing. */
function isVoid(message: object): boolean {
  return "kind" in message && message.kind === "void";
}

function clientsOf({ homes, operations }: Scenario): Map<number, string> {
  const clients = new Map<number, string>();
  for (const { kind, id, home } of operations) {
    const clientId = homes[home]?.clientId;
    if (kind !== "push" && clientId !== undefined) clients.set(id, clientId);
  }
  return clients;
}

function addTo(topics: Set<number>, topic: number | null): void {
  if (topic !== null) topics.add(topic);
}

/** A place as its own trace names it. */
function whoOf(place: string): string {
  return place.replace(/^(visit|socket):/, "$1 ");
}

function typeOf(value: object): string {
  return "type" in value ? String(value.type) : "";
}
