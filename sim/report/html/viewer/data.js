/** What the page shows: the run as it was recorded, with the rows of the data turned into things with names. */

/**
 * @typedef {{index: number, lane: number, visitor: number, atUs: number, step: number, tone: string, quiet: boolean,
 *   label: string, who: string, topics: number[], items: string[][], sent: number[], got: number[]}} Moment
 * @typedef {{index: number, from: number, to: number, toLane: number, family: string, label: string, topics: number[],
 *   fields: string[]}} Message
 */

/** Reads the data out of the page. */
export async function readData() {
  const text = document.getElementById("data").textContent.trim();
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return named(await new Response(stream).json());
}

function named({ moments, messages, faults, ...rest }) {
  const picture = {
    ...rest,
    moments: moments.map(momentOf),
    messages: messages.map(messageOf),
    faults: faults.map(([lane, visitor, fromUs, toUs, kind, moment]) => ({
      lane,
      visitor,
      fromUs,
      toUs,
      kind,
      moment,
    })),
  };
  for (const { index, from, to } of picture.messages) {
    picture.moments[from].sent.push(index);
    if (to >= 0) picture.moments[to].got.push(index);
  }
  return picture;
}

/** @returns {Moment} */
function momentOf([lane, visitor, atUs, step, tone, quiet, label, who, topics, items], index) {
  return {
    index,
    lane,
    visitor,
    atUs,
    step,
    tone,
    quiet: quiet === 1,
    label,
    who,
    topics,
    items,
    sent: [],
    got: [],
  };
}

/** @returns {Message} */
function messageOf([from, to, toLane, family, label, topics, ...fields], index) {
  return { index, from, to, toLane, family, label, topics, fields };
}

/** In the place of a message's arrival: it never came, or the run ended first. */
export const LOST = -1;
export const UNDER_WAY = -2;

/** Each family of messages in a word, in the order of the legend. */
export const FAMILIES = {
  http: "HTTP",
  tunnel: "tunnel",
  socket: "sockets",
  control: "connections",
  registry: "registry",
  origin: "service",
};

/** Seconds with six digits after the point. */
export function secondsOf(atUs) {
  return `${Math.floor(atUs / 1e6)}.${String(atUs % 1e6).padStart(6, "0")}`;
}

/** A stretch of time in the unit that suits it. */
export function spanOf(us) {
  if (us < 1000) return `${us} µs`;
  if (us < 1e6) return `${(us / 1000).toFixed(us < 10_000 ? 1 : 0)} ms`;
  return `${(us / 1e6).toFixed(us < 10e6 ? 1 : 0)} s`;
}

export function escaped(text) {
  return String(text).replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
