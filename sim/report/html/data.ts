/** What was recorded as plain data for the page's script, in short rows: a run has tens of thousands of them. */
import type { LaneKind } from "./places.ts";
import type { FaultRecord, Item, Life, Message, Moment, PictureRecorder } from "./recorder.ts";

/** Microseconds everywhere; `-1` stands for nothing where an index is expected. */
export type PictureData = {
  readonly lanes: readonly LaneData[];
  /** Visits and visitor sockets, each in a slot of the first lane that nobody else uses meanwhile. */
  readonly visitors: readonly VisitorData[];
  readonly slots: number;
  readonly topics: readonly { readonly name: string; readonly clientId: string | null }[];
  readonly moments: readonly MomentRow[];
  readonly messages: readonly MessageRow[];
  readonly faults: readonly FaultRow[];
};

/** In the place of a message's arrival: it never came, or the run ended first. */
const LOST = -1;
const UNDER_WAY = -2;
/** Longer than this no message takes that arrives at all, save by a fault. */
const UNDER_WAY_US = 1_000_000;

/** `toUs` is -1 where the run ended first. */
type Span = readonly [fromUs: number, toUs: number];

type LaneData = {
  readonly kind: LaneKind;
  readonly title: string;
  readonly subtitle: string;
  readonly clientId: string | null;
  /** When its process ran. */
  readonly alive: readonly Span[];
};

type VisitorData = {
  readonly name: string;
  readonly slot: number;
  /** Indices of its first and last moment. */
  readonly first: number;
  readonly last: number;
  readonly end: string;
};

type MomentRow = readonly [
  lane: number,
  visitor: number,
  atUs: number,
  step: number,
  tone: Moment["tone"],
  quiet: 0 | 1,
  label: string,
  who: string,
  topics: readonly number[],
  items: readonly (readonly [kind: Item["kind"], title: string, ...fields: string[]])[],
];

type MessageRow = readonly [
  from: number,
  to: number,
  toLane: number,
  family: Message["family"],
  label: string,
  topics: readonly number[],
  ...fields: string[],
];

type FaultRow = readonly [
  lane: number,
  visitor: number,
  fromUs: number,
  toUs: number,
  kind: string,
  moment: number,
];

export function pictureData(recorder: PictureRecorder): PictureData {
  const { places, topics, moments, messages, faults, lives } = recorder;
  const { visitors, slots } = visitorsOf(moments);
  const indexOf = new Map(visitors.map(({ place }, index) => [place, index]));
  return {
    lanes: places.lanes.map((lane, index) => {
      const own = lives.filter(({ place }) => places.laneOf(place) === index);
      return { ...lane, alive: aliveSpans(own) };
    }),
    visitors: visitors.map(({ place, ...visitor }) => ({ name: place.replace(":", " "), ...visitor })),
    slots,
    topics: topics.list,
    moments: moments.map((moment) => momentRow(moment, places.laneOf(moment.place), indexOf)),
    messages: messages.map((message) => {
      const to = message.to ?? (isUnderWay(message, recorder) ? UNDER_WAY : LOST);
      return messageRow(message, to, places.laneOf(message.toPlace));
    }),
    faults: faults.map((fault) => faultRow(fault, places.laneOf(fault.place), indexOf)),
  };
}

function momentRow(moment: Moment, lane: number, visitors: ReadonlyMap<string, number>): MomentRow {
  const { place, who, atUs, step, tone, quiet, label, topics, items } = moment;
  return [
    lane,
    visitors.get(place) ?? -1,
    atUs,
    step ?? -1,
    tone,
    quiet ? 1 : 0,
    label,
    who,
    [...topics],
    items.map(({ kind, title, fields }) => [kind, title, ...fields.flat()]),
  ];
}

function messageRow(
  { from, family, label, topics, fields }: Message,
  to: number,
  toLane: number,
): MessageRow {
  return [from, to, toLane, family, label, topics, ...fields.flat()];
}

/** Whether a message that has not arrived might have, had the run gone on; nobody is told that one is lost. */
function isUnderWay({ from, toPlace }: Message, { moments, messages }: PictureRecorder): boolean {
  const sent = moments[from];
  const endUs = moments.at(-1)?.atUs ?? 0;
  if (sent === undefined || sent.atUs < endUs - UNDER_WAY_US) return false;
  const isLater = (other: Message) =>
    other.to !== null &&
    other.from > from &&
    other.toPlace === toPlace &&
    moments[other.from]?.place === sent.place;
  return !messages.some(isLater);
}

function faultRow(
  { fault, place, moment }: FaultRecord,
  lane: number,
  visitors: ReadonlyMap<string, number>,
): FaultRow {
  return [lane, visitors.get(place) ?? -1, fault.fromMs * 1000, fault.toMs * 1000, fault.kind, moment ?? -1];
}

type Visitor = Omit<VisitorData, "name"> & { readonly place: string };

/** Gives each visitor the first slot that is free from its first moment to its last. */
function visitorsOf(moments: readonly Moment[]): {
  readonly visitors: readonly Visitor[];
  readonly slots: number;
} {
  const own = Map.groupBy(
    moments.filter(({ place }) => /^(visit|socket):/.test(place)),
    ({ place }) => place,
  );
  /** Index of the last moment of whoever had the slot last. */
  const takenUntil: number[] = [];
  const visitors: Visitor[] = [];
  for (const [place, [head, ...rest]] of own) {
    if (head === undefined) continue;
    const first = head.index;
    const last = rest.at(-1)?.index ?? first;
    const free = takenUntil.findIndex((until) => until < first);
    const slot = free === -1 ? takenUntil.length : free;
    takenUntil[slot] = last;
    visitors.push({ place, slot, first, last, end: endOf([head, ...rest]) });
  }
  return { visitors, slots: takenUntil.length };
}

/** How a visit ended, as it said itself; empty for what says nothing. */
function endOf(moments: readonly Moment[]): string {
  for (const { items } of moments.toReversed()) {
    for (const { title } of items) {
      const end = /^(complete|cut|refused|left) after \d+ bytes$/.exec(title)?.[1];
      if (end !== undefined) return end;
    }
  }
  return "";
}

function aliveSpans(lives: readonly Life[]): Span[] {
  const spans: Span[] = [];
  const since = new Map<string, number>();
  for (const { process, atUs, starts } of lives) {
    if (starts) since.set(process, atUs);
    else spans.push([since.get(process) ?? 0, atUs]);
    if (!starts) since.delete(process);
  }
  for (const fromUs of since.values()) spans.push([fromUs, -1]);
  return spans;
}
