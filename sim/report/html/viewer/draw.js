/** Draws the part of the timeline that can be seen, and a little more on either side. */
import { escaped, LOST, spanOf, UNDER_WAY } from "./data.js";
import { firstAtLeast, xOf, yAtTime } from "./layout.js";
import { drawMarks, drawTimes, edgeOf, pauseBefore } from "./marks.js";

const BAND_WIDTH = 3;
const BANDS_MAX = 5;
/** A lost message is drawn this far on its way. */
const LOST_SHARE = 0.4;

/** Draws what lies between `top` and `bottom` of the layout. */
export function draw(layout, view, { top, bottom }) {
  const { tops, shown, rowHeight } = layout;
  const firstRow = Math.max(0, firstAtLeast(tops, top - rowHeight) - 1);
  const lastRow = Math.min(shown.length - 1, firstAtLeast(tops, bottom));
  const rows = shown.slice(firstRow, lastRow + 1);
  const arrows = document.getElementById("arrows");
  arrows.setAttribute("viewBox", `0 ${top} ${layout.width} ${bottom - top}`);
  arrows.style.cssText = `top:${top}px;width:${layout.width}px;height:${bottom - top}px`;
  arrows.innerHTML = [
    MARKERS,
    drawLines(layout, top, bottom),
    drawBands(layout, top, bottom),
    drawPauses(layout, rows),
    drawMessages(layout, view, layout.messagesIn(firstRow, lastRow)),
  ].join("");
  document.getElementById("marks").innerHTML = drawTimes(layout, rows) + drawMarks(layout, view, rows);
}

const MARKERS = `<defs>${["http", "tunnel", "socket", "control", "registry", "origin"]
  .map(
    (family) =>
      `<marker id="head-${family}" class="${family}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path class="tip" d="M0 .8 8 4 0 7.2z"/></marker>`,
  )
  .join("")}</defs>`;

/** The lines of the lanes, solid while there is a process, and the bars of visitors. */
function drawLines(layout, top, bottom) {
  const { lanes, picture, yOf, slotWidth, end } = layout;
  const parts = [];
  lanes.forEach((lane, index) => {
    if (index % 2 === 1) {
      parts.push(
        `<rect class="lane" x="${lane.x}" y="${top}" width="${lane.width}" height="${bottom - top}"/>`,
      );
    }
    if (lane.kind === "visitors") return;
    const until = Math.min(bottom, end);
    parts.push(
      `<path class="line${lane.alive.length > 0 ? " gone" : ""}" d="M${lane.line} ${top}V${until}"/>`,
    );
    for (const [fromUs, toUs] of lane.alive) {
      const from = Math.max(top, yAtTime(layout, fromUs));
      const to = Math.min(bottom, toUs === -1 ? end : yAtTime(layout, toUs));
      if (from < to) parts.push(`<path class="line alive" d="M${lane.line} ${from}V${to}"/>`);
    }
  });
  const barWidth = Math.max(1.5, Math.min(6, slotWidth - 1.5));
  for (const { slot, first, last, end: how } of picture.visitors) {
    const from = Math.max(top, yOf[first]);
    const to = Math.min(bottom, yOf[last]);
    if (from >= to) continue;
    const x = lanes[0].line + slot * slotWidth - barWidth / 2;
    parts.push(
      `<rect class="visitor ${how}" x="${x}" y="${from}" width="${barWidth}" height="${to - from}" rx="${barWidth / 2}"/>`,
    );
  }
  return parts.join("");
}

/** A fault that lasts is a band from its begin to its end, beside the line that it acts upon. */
function drawBands(layout, top, bottom) {
  const { picture, lanes, fileOf, yOf } = layout;
  return picture.faults
    .map(({ lane, visitor, fromUs, toUs, kind, moment }, index) => {
      if (moment === -1 || toUs === fromUs) return "";
      const from = Math.max(top, yOf[moment]);
      const to = Math.min(bottom, yAtTime(layout, toUs));
      if (from >= to) return "";
      const title = `<title>${escaped(`${kind}, ${spanOf(toUs - fromUs)}`)}</title>`;
      const file = Math.min(fileOf[index], BANDS_MAX - 1);
      const left = lane === -1 ? 2 : visitor === -1 ? lanes[lane].x + 2 : xOf(layout, { lane, visitor }) - 5;
      const band = `<rect class="band" data-fault="${index}" x="${left + file * (BAND_WIDTH + 1)}" y="${from}" width="${BAND_WIDTH}" height="${to - from}" rx="1.5">${title}</rect>`;
      if (lane === -1 || visitor !== -1) return band;
      return `<rect class="glow" x="${lanes[lane].x}" y="${from}" width="${lanes[lane].width}" height="${to - from}"/>${band}`;
    })
    .join("");
}

function drawPauses(layout, rows) {
  const { width, gutter } = layout;
  const pauses = rows.map((moment) => pauseBefore(layout, moment)).filter((pause) => pause !== null);
  return pauses.map(({ y }) => `<path class="pause" d="M${gutter} ${y}H${width}"/>`).join("");
}

function drawMessages(layout, { hiddenFamilies, selected }, messages) {
  return messages
    .filter(({ family }) => !hiddenFamilies.has(family))
    .map((message) => {
      const { index, family, to, from } = message;
      const isHot = selected !== null && (from === selected || to === selected);
      const fate = to === LOST ? " lost" : to === UNDER_WAY ? " under-way" : "";
      const d = to < 0 ? lostPath(layout, message) : arrowPath(layout, message);
      const end = to < 0 ? "" : ` marker-end="url(#head-${family})"`;
      return `<g class="message ${family}${fate}${isHot ? " hot" : ""}" data-message="${index}"><path class="reach" d="${d}"/><path d="${d}"${end}/></g>`;
    })
    .join("");
}

function arrowPath(layout, { from, to }) {
  const { picture, yOf } = layout;
  const source = picture.moments[from];
  const target = picture.moments[to];
  const rightwards = xOf(layout, target) >= xOf(layout, source);
  const x1 = edgeOf(layout, source, rightwards);
  const x2 = edgeOf(layout, target, !rightwards);
  return `M${x1} ${yOf[from]}L${x2} ${yOf[to]}`;
}

/** Ends on its way, and in a cross where it is known to be lost. */
function lostPath(layout, { from, to, toLane }) {
  const { picture, lanes, yOf, rowHeight } = layout;
  const source = picture.moments[from];
  const target = lanes[toLane === -1 ? 1 : toLane].line;
  const rightwards = target >= xOf(layout, source);
  const x1 = edgeOf(layout, source, rightwards);
  const x2 = x1 + Math.max(24, Math.abs(target - x1) * LOST_SHARE) * (rightwards ? 1 : -1);
  const y2 = yOf[from] + rowHeight * 0.8;
  const cross = to === LOST ? "m-4 -4l8 8m0 -8l-8 8" : "";
  return `M${x1} ${yOf[from]}L${x2} ${y2}${cross}`;
}
