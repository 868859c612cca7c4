/** Moments as marks with their words, the heads of the lanes, and the times beside them. */
import { escaped, secondsOf, spanOf } from "./data.js";
import { xOf } from "./layout.js";

const FONT = "12px ui-sans-serif, system-ui, sans-serif";
const MARK_RADIUS = 4;
/** Where rows are too low for a time each, there is one in so many pixels. */
const TIME_EVERY = 44;

/** Pauses from here on are drawn as such. */
const PAUSE_US = 20_000;

const measure = document.createElement("canvas").getContext("2d");
const widths = new Map();

export function drawHeads({ lanes, width, gutter }) {
  const heads = lanes.map(
    ({ kind, title, subtitle, clientId, x, width: laneWidth, isEmpty }) =>
      `<div class="head ${kind}${isEmpty ? " empty" : ""}"${clientId === null ? "" : ` data-client="${escaped(clientId)}"`} style="left:${x}px;width:${laneWidth}px" title="${escaped(`${title}: ${subtitle}`)}"><b>${escaped(title)}</b><span>${escaped(subtitle)}</span></div>`,
  );
  const element = document.getElementById("heads");
  element.style.width = `${width}px`;
  element.innerHTML = `<div class="head gutter" style="left:0;width:${gutter}px"><b>time</b><span>seconds</span></div>${heads.join("")}`;
}

/** A time for each instant, or now and then, and how long nothing happened. */
export function drawTimes(layout, rows) {
  const { rowOf, tops, shown, rowHeight, labelled, gutter } = layout;
  let lastTop = Number.NEGATIVE_INFINITY;
  const times = [];
  for (const moment of rows) {
    const { index, atUs } = moment;
    const pause = labelled ? pauseBefore(layout, moment) : null;
    if (pause !== null) {
      const style = `top:${pause.y - 10}px;width:${gutter - 10}px`;
      times.push(`<time class="pause" style="${style}">${spanOf(pause.us)}</time>`);
    }
    const row = rowOf[index];
    const isNew = labelled ? shown[row - 1]?.atUs !== atUs : tops[row] - lastTop >= TIME_EVERY;
    if (!isNew) continue;
    lastTop = tops[row];
    const text = secondsOf(atUs);
    const style = `top:${lastTop + rowHeight / 2 - 10}px;width:${gutter - 10}px`;
    times.push(`<time style="${style}">${text.slice(0, -3)}<small>${text.slice(-3)}</small></time>`);
  }
  return times.join("");
}

/** The time without any moment that ended with this one; null where it is short. */
export function pauseBefore({ rowOf, tops, shown, rowHeight }, { index, atUs }) {
  const row = rowOf[index];
  const before = shown[row - 1];
  if (before === undefined || atUs - before.atUs < PAUSE_US) return null;
  return { us: atUs - before.atUs, y: (tops[row - 1] + rowHeight + tops[row]) / 2 };
}

export function drawMarks(layout, view, rows) {
  return rows.map((moment) => drawMark(layout, view, moment)).join("");
}

function drawMark(layout, view, moment) {
  const { rowOf, tops, rowHeight, labelled, gutter, lanes, width } = layout;
  const { index, tone, label } = moment;
  const top = tops[rowOf[index]];
  const state = tone + stateOf(view, index);
  if (moment.lane === -1) {
    const style = `top:${top}px;left:${gutter}px;width:${width - gutter}px;height:${rowHeight}px`;
    return `<div class="banner ${state}" data-moment="${index}" style="${style}"><span>${escaped(label)}</span></div>`;
  }
  const x = xOf(layout, moment);
  const middle = top + rowHeight / 2;
  const mark = `<i class="mark ${lanes[moment.lane].kind} ${state}" data-moment="${index}" style="top:${middle}px;left:${x}px"></i>`;
  if (!labelled) return mark;
  const box = labelBox(layout, moment);
  const lead =
    moment.visitor === -1
      ? ""
      : `<i class="lead" style="top:${middle}px;left:${x + MARK_RADIUS}px;width:${box.left - x - MARK_RADIUS}px"></i>`;
  const style = `top:${top}px;left:${box.left}px;width:${box.width}px;height:${rowHeight}px;line-height:${rowHeight}px`;
  return `${lead}${mark}<div class="words ${state}" data-moment="${index}" style="${style}">${escaped(label)}</div>`;
}

function stateOf({ selected, hits, cause }, index) {
  const isSelected = index === selected ? " selected" : "";
  const isHit = hits.has(index) ? " hit" : "";
  return `${isSelected}${isHit}${index === cause ? " cause" : ""}`;
}

/** Where an arrow may touch a moment: beside its mark, or behind its words. */
export function edgeOf(layout, moment, atRight) {
  const x = xOf(layout, moment);
  if (!atRight) return x - MARK_RADIUS - 1;
  if (!layout.labelled) return x + MARK_RADIUS + 1;
  const { left, width } = labelBox(layout, moment);
  return left + width + 2;
}

/** The place of a moment's words, which are cut at the end of their lane. */
function labelBox(layout, moment) {
  const { lanes, picture, slotWidth } = layout;
  const lane = lanes[moment.lane];
  const left = moment.lane === 0 ? lane.line + picture.slots * slotWidth + 4 : lane.line + MARK_RADIUS + 3;
  const room = lane.x + lane.width - left - 22;
  return { left, width: Math.max(0, Math.min(room, widthOf(moment) + 10)) };
}

function widthOf({ label, tone }) {
  const name = `${tone} ${label}`;
  const known = widths.get(name);
  if (known !== undefined) return known;
  measure.font = tone === "fault" ? `600 ${FONT}` : FONT;
  const width = Math.ceil(measure.measureText(tone === "fault" ? `⚡${label}` : label).width);
  widths.set(name, width);
  return width;
}
