/** The state of the page: what is shown and what is selected, drawn anew whenever it changes. */
import { momentDetails } from "./details.js";
import { draw } from "./draw.js";
import { layOut, ROW_HEIGHTS } from "./layout.js";
import { drawHeads } from "./marks.js";
import { drawMinimap, drawViewport } from "./minimap.js";

const DEFAULT_ZOOM = ROW_HEIGHTS.length - 2;

export const byId = (id) => document.getElementById(id);
export const scroller = byId("scroller");

export const view = {
  zoom: DEFAULT_ZOOM,
  /** Topics of which moments are shown; null shows everybody's. */
  only: null,
  quiet: false,
  /** Index of a moment. */
  selected: null,
  hits: new Set(),
  /** Index of the moment that the violation was found at. */
  cause: null,
  hiddenFamilies: new Set(),
};
/** What was recorded, and where it stands; set once the page has read its data. */
export const page = { picture: null, layout: null };
/** What the drawing covers; scrolling inside it draws nothing. */
let drawn = { top: 0, bottom: -1 };

/** Lays everything out anew and keeps what is in the middle of the view there. */
export function relayout(anchor = view.selected ?? momentInView()) {
  const offset = anchor === null || page.layout === null ? 0 : page.layout.yOf[anchor] - scroller.scrollTop;
  const isInView = offset > 0 && offset < scroller.clientHeight;
  page.layout = layOut(page.picture, isShown, { zoom: view.zoom, width: scroller.clientWidth });
  drawHeads(page.layout);
  byId("stage").style.cssText = `width:${page.layout.width}px;height:${page.layout.height}px`;
  if (anchor !== null)
    scroller.scrollTop = page.layout.yOf[anchor] - (isInView ? offset : scroller.clientHeight / 2);
  byId("count").textContent =
    `${page.layout.shown.length.toLocaleString("en")} of ${page.picture.moments.length.toLocaleString("en")} moments`;
  redraw();
}

export function redraw() {
  drawn = { top: 0, bottom: -1 };
  paint();
  drawMinimap(page.layout, view);
}

export function paint() {
  const top = scroller.scrollTop;
  const height = scroller.clientHeight;
  if (top < drawn.top || top + height > drawn.bottom) {
    drawn = { top: Math.max(0, top - height / 2), bottom: Math.min(page.layout.height, top + height * 1.5) };
    draw(page.layout, view, drawn);
    // The end of the timeline cannot be drawn past, and needs no further painting.
    if (drawn.bottom === page.layout.height) drawn.bottom = Number.POSITIVE_INFINITY;
  }
  // Times stay in view when the lanes are wider than the window.
  scroller.classList.toggle("scrolled", scroller.scrollLeft > 0);
  scroller.style.setProperty("--left", `${scroller.scrollLeft}px`);
  drawViewport(page.layout, scroller);
}

function isShown(moment) {
  if (moment.tone === "violation" || moment.tone === "healed" || moment.index === view.cause) return true;
  if (moment.quiet && !view.quiet) return false;
  return view.only === null || moment.topics.some((topic) => view.only.has(topic));
}

function momentInView() {
  if (page.layout === null) return null;
  const middle = scroller.scrollTop + scroller.clientHeight / 2;
  return page.layout.shown.find(({ index }) => page.layout.yOf[index] >= middle)?.index ?? null;
}

/** Selects a moment and brings it into view. */
export function select(index) {
  if (page.layout.rowOf[index] === -1) showAll();
  view.selected = index;
  byId("details").innerHTML = momentDetails(page.picture, page.picture.moments[index]);
  openTab("details");
  history.replaceState(null, "", `#moment=${index}`);
  const y = page.layout.yOf[index];
  const margin = Math.min(120, scroller.clientHeight / 4);
  if (y < scroller.scrollTop + margin || y > scroller.scrollTop + scroller.clientHeight - margin) {
    scroller.scrollTop = y - scroller.clientHeight / 2;
  }
  const moment = page.picture.moments[index];
  if (moment.lane !== -1) {
    const { x, width } = page.layout.lanes[moment.lane];
    const isOutside = x < scroller.scrollLeft || x + width > scroller.scrollLeft + scroller.clientWidth;
    if (isOutside) scroller.scrollLeft = x - scroller.clientWidth / 2;
  }
  redraw();
}

/** A moment that a filter hides is wanted all the same. */
function showAll() {
  view.only = null;
  view.quiet = true;
  byId("quiet").checked = true;
  byId("only").value = "";
  relayout();
}

export function showOnly(value) {
  byId("only").value = value;
  const [kind, id] = value.split("=");
  if (value === "") view.only = null;
  else if (kind === "topic") view.only = new Set([Number(id)]);
  else
    view.only = new Set(
      page.picture.topics.flatMap(({ clientId }, topic) => (clientId === id ? [topic] : [])),
    );
  relayout();
}

/** Only whom the selected moment is about: the visit before the home. */
export function follow() {
  if (view.only !== null) return showOnly("");
  const topics = view.selected === null ? [] : page.picture.moments[view.selected].topics;
  const topic = topics.find((each) => page.picture.topics[each].name.includes(" ")) ?? topics[0];
  if (topic !== undefined) showOnly(optionOf(topic));
}

export function optionOf(topic) {
  const { name, clientId } = page.picture.topics[topic];
  return name === clientId ? `client=${clientId}` : `topic=${topic}`;
}

/** Goes `by` rows on, among all or among those that `isWanted` picks. */
export function go(by, isWanted = () => true) {
  const start = view.selected ?? momentInView() ?? 0;
  const rows = page.layout.shown;
  const at = rows.findIndex(({ index }) => index >= start);
  for (let row = (at === -1 ? rows.length - 1 : at) + by; row >= 0 && row < rows.length; row += by) {
    if (isWanted(rows[row])) return select(rows[row].index);
  }
}

export function goHere(by) {
  const here = page.picture.moments[view.selected ?? 0];
  go(by, ({ lane, visitor }) => lane === here.lane && visitor === here.visitor);
}

export function zoom(by) {
  const wanted = Math.max(0, Math.min(ROW_HEIGHTS.length - 1, view.zoom + by));
  if (wanted === view.zoom) return;
  view.zoom = wanted;
  relayout();
}

export function openTab(name) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const isOpen = tab.dataset.tab === name;
    tab.setAttribute("aria-selected", String(isOpen));
    byId(tab.dataset.tab).hidden = !isOpen;
  }
}
