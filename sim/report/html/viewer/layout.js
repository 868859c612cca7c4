/**
 * Where everything stands. Each shown moment has a row of its own, so nothing is ever on top of something else; time
 * in which nothing happens is compressed to a gap that grows with its logarithm.
 */

/** Heights of a row, from the whole run at a glance to one step at a time. */
export const ROW_HEIGHTS = [3, 5, 8, 12, 16, 20, 26];
/** From this height on there is room for words. */
const LABELLED_HEIGHT = 16;
const GUTTER = 92;
const TOP = 12;
const BOTTOM = 60;
/** Rows per bucket of the index of messages. */
const BUCKET = 64;
/** Messages that span more buckets are few, and kept in one list. */
const LONG_BUCKETS = 32;

const LANE_WIDTHS = { visitors: 180, node: 220, registry: 150, agent: 210, home: 140 };
/** Lanes give way so far before the timeline is wider than its window. */
const SHRINK_MIN = 0.85;
const EMPTY_LANE_WIDTH = 56;
const SLOTS_WIDTH = 120;
/** From the edge of a lane to its line: the room for the bands of faults. */
const LINE_INSET = 24;

/**
 * @param picture What was recorded.
 * @param {(moment: Moment) => boolean} isShown Which moments have a row.
 */
export function layOut(picture, isShown, { zoom, width }) {
  const rowHeight = ROW_HEIGHTS[zoom];
  const rows = placeRows(picture.moments, isShown, rowHeight);
  const lanes = placeLanes(picture, rows.shown, width);
  return {
    picture,
    rowHeight,
    labelled: rowHeight >= LABELLED_HEIGHT,
    gutter: GUTTER,
    width: Math.max(
      width,
      lanes.reduce((right, lane) => Math.max(right, lane.x + lane.width), 0),
    ),
    ...rows,
    lanes,
    slotWidth: slotWidthOf(picture),
    messagesIn: indexMessages(picture.messages, rows.rowOf),
    fileOf: fileFaults(picture.faults),
  };
}

/** The height that a pause of that many microseconds has. */
function gapOf(us, rowHeight) {
  if (us < 2000) return 0;
  return Math.min(3, Math.log10(us / 1000) * 0.6) * rowHeight;
}

function placeRows(moments, isShown, rowHeight) {
  const shown = moments.filter(isShown);
  const tops = new Float64Array(shown.length);
  const rowOf = new Int32Array(moments.length).fill(-1);
  /** Of every moment, hidden ones included, where it is or would be. */
  const yOf = new Float64Array(moments.length);
  let y = TOP;
  let lastUs = shown[0]?.atUs ?? 0;
  shown.forEach((moment, row) => {
    y += gapOf(moment.atUs - lastUs, rowHeight);
    tops[row] = y;
    rowOf[moment.index] = row;
    y += rowHeight;
    lastUs = moment.atUs;
  });
  let next = y;
  for (let index = moments.length - 1; index >= 0; index--) {
    if (rowOf[index] !== -1) next = tops[rowOf[index]] + rowHeight / 2;
    yOf[index] = next;
  }
  return { shown, tops, rowOf, yOf, height: y + BOTTOM, end: y };
}

function slotWidthOf({ slots }) {
  return Math.max(2.5, Math.min(12, SLOTS_WIDTH / Math.max(1, slots)));
}

function placeLanes(picture, shown, width) {
  const busy = new Set(shown.map((moment) => moment.lane));
  const wanted = picture.lanes.map(({ kind }, lane) => {
    if (!busy.has(lane)) return EMPTY_LANE_WIDTH;
    return LANE_WIDTHS[kind] + (kind === "visitors" ? slotWidthOf(picture) * picture.slots : 0);
  });
  const total = wanted.reduce((sum, each) => sum + each, 0);
  const stretch = Math.max(SHRINK_MIN, (width - GUTTER) / total);
  let x = GUTTER;
  return picture.lanes.map((lane, index) => {
    const laneWidth = Math.floor(wanted[index] * stretch);
    const placed = { ...lane, x, width: laneWidth, line: x + LINE_INSET, isEmpty: !busy.has(index) };
    if (lane.kind === "visitors") placed.line = x + 10;
    x += laneWidth;
    return placed;
  });
}

/** Answers which messages touch a range of rows; those with an end that is hidden are left out. */
function indexMessages(messages, rowOf) {
  const buckets = new Map();
  const long = [];
  for (const message of messages) {
    const from = rowOf[message.from];
    const to = message.to < 0 ? from : rowOf[message.to];
    if (from === -1 || to === -1) continue;
    const first = Math.floor(from / BUCKET);
    const last = Math.floor(to / BUCKET);
    if (last - first > LONG_BUCKETS) {
      long.push(message);
      continue;
    }
    for (let bucket = first; bucket <= last; bucket++) {
      const list = buckets.get(bucket);
      if (list === undefined) buckets.set(bucket, [message]);
      else list.push(message);
    }
  }
  return (firstRow, lastRow) => {
    const found = new Set(long.filter(({ from, to }) => rowOf[from] <= lastRow && rowOf[to] >= firstRow));
    for (let bucket = Math.floor(firstRow / BUCKET); bucket <= Math.floor(lastRow / BUCKET); bucket++) {
      for (const message of buckets.get(bucket) ?? []) found.add(message);
    }
    return [...found];
  };
}

/** Which of the bands beside a lane's line each fault has: the first that no other fault of the lane needs meanwhile. */
function fileFaults(faults) {
  const takenUntil = new Map();
  return faults.map(({ lane, visitor, fromUs, toUs }) => {
    const place = `${lane}/${visitor}`;
    const files = takenUntil.get(place) ?? [];
    takenUntil.set(place, files);
    const free = files.findIndex((untilUs) => untilUs < fromUs);
    const file = free === -1 ? files.length : free;
    files[file] = toUs;
    return file;
  });
}

/** Index of the first of the sorted numbers that is at least as large. */
export function firstAtLeast(numbers, wanted) {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Where an instant is: at the first moment that is not before it. */
export function yAtTime({ picture, yOf, end }, atUs) {
  let low = 0;
  let high = picture.moments.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (picture.moments[middle].atUs < atUs) low = middle + 1;
    else high = middle;
  }
  return low === picture.moments.length ? end : yOf[low];
}

/** The line that a moment stands on. */
export function xOf({ picture, lanes, slotWidth }, moment) {
  if (moment.visitor === -1) return lanes[moment.lane].line;
  return lanes[0].line + picture.visitors[moment.visitor].slot * slotWidth;
}
