/** The page at work: what the reader can do about what is shown. */
import { escaped, FAMILIES, readData } from "./data.js";
import { messageDetails } from "./details.js";
import { legend, visitTable } from "./lists.js";
import { followPointer } from "./minimap.js";
import {
  byId,
  follow,
  go,
  goHere,
  openTab,
  optionOf,
  page,
  paint,
  redraw,
  relayout,
  scroller,
  select,
  showOnly,
  view,
  zoom,
} from "./stage.js";

function search(text) {
  const wanted = text.toLowerCase();
  const found =
    wanted.length < 2 ? [] : page.picture.moments.filter((moment) => haystack(moment).includes(wanted));
  view.hits = new Set(found.map(({ index }) => index));
  byId("hits").textContent = wanted.length < 2 ? "" : String(found.length);
  redraw();
}

function haystack(moment) {
  moment.text ??= [moment.label, moment.who, ...moment.items.flat(), ...contentOf(moment)]
    .join("\n")
    .toLowerCase();
  return moment.text;
}

function contentOf({ sent }) {
  return sent.flatMap((index) => [
    page.picture.messages[index].label,
    ...page.picture.messages[index].fields,
  ]);
}

function goToViolation() {
  const violation = page.picture.moments.find(({ tone }) => tone === "violation");
  if (violation !== undefined) select(violation.index);
}

function togglePanel() {
  document.querySelector("main").classList.toggle("wide");
}

function changeTheme() {
  const root = document.documentElement;
  const isDark = getComputedStyle(root).colorScheme === "dark" || matchesDark();
  root.dataset.theme = isDark ? "light" : "dark";
  redraw();
}

function matchesDark() {
  const { theme } = document.documentElement.dataset;
  return theme === undefined ? matchMedia("(prefers-color-scheme: dark)").matches : theme === "dark";
}

const ACTIONS = {
  j: () => go(1),
  k: () => go(-1),
  "]": () => goHere(1),
  "[": () => goHere(-1),
  n: () => go(1, ({ index }) => view.hits.has(index)),
  N: () => go(-1, ({ index }) => view.hits.has(index)),
  f: follow,
  v: goToViolation,
  "+": () => zoom(1),
  "=": () => zoom(1),
  "-": () => zoom(-1),
  g: () => page.layout.shown.length > 0 && select(page.layout.shown[0].index),
  G: () => page.layout.shown.length > 0 && select(page.layout.shown.at(-1).index),
  d: changeTheme,
  p: togglePanel,
  "/": () => byId("search").focus(),
  "?": () => openTab("legend"),
  Escape: () => showOnly(""),
};

function listen() {
  scroller.addEventListener("scroll", () => requestAnimationFrame(paint), { passive: true });
  scroller.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1 : -1);
    },
    { passive: false },
  );
  new ResizeObserver(() => relayout()).observe(scroller);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  followPointer(scroller, () => page.layout);
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  byId("search").addEventListener("input", (event) => search(event.target.value));
  byId("only").addEventListener("change", (event) => showOnly(event.target.value));
  byId("quiet").addEventListener("change", (event) => {
    view.quiet = event.target.checked;
    relayout();
  });
  window.addEventListener("hashchange", selectFromAddress);
}

function onClick(event) {
  const target = event.target.closest(
    "[data-moment], [data-message], [data-only], [data-fault], [data-visitor], [data-client], [data-family], [data-tab], button[id]",
  );
  if (target === null) return;
  const { moment, message, only, fault, visitor, client, family, tab } = target.dataset;
  if (moment !== undefined) {
    event.preventDefault();
    select(Number(moment));
  } else if (message !== undefined) {
    byId("details").innerHTML = messageDetails(page.picture, page.picture.messages[Number(message)]);
    openTab("details");
  } else if (only !== undefined) showOnly(optionOf(Number(only)));
  else if (fault !== undefined) goToFault(page.picture.faults[Number(fault)]);
  else if (visitor !== undefined) goToVisitor(page.picture.visitors[Number(visitor)]);
  else if (client !== undefined) showOnly(view.only === null ? `client=${client}` : "");
  else if (family !== undefined) toggleFamily(target, family);
  else if (tab !== undefined) openTab(tab);
  else BUTTONS[target.id]?.();
}

const BUTTONS = {
  in: () => zoom(1),
  out: () => zoom(-1),
  theme: changeTheme,
  panel: togglePanel,
  violation: goToViolation,
  copy: () =>
    navigator.clipboard
      ?.writeText(byId("replay").textContent)
      .then(() => (byId("copy").textContent = "copied")),
};

function goToFault({ moment }) {
  if (moment !== -1) select(moment);
}

function goToVisitor({ name, first }) {
  const topic = page.picture.topics.findIndex((each) => each.name === name);
  if (topic !== -1) showOnly(optionOf(topic));
  select(first);
}

function toggleFamily(button, family) {
  const isHidden = view.hiddenFamilies.delete(family);
  if (!isHidden) view.hiddenFamilies.add(family);
  button.setAttribute("aria-pressed", String(isHidden));
  redraw();
}

function onKey(event) {
  if (event.target === byId("search")) return onSearchKey(event);
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, input")) return;
  const act = ACTIONS[event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
}

function onSearchKey(event) {
  if (event.key === "Enter") go(event.shiftKey ? -1 : 1, ({ index }) => view.hits.has(index));
  if (event.key !== "Escape") return;
  event.target.value = "";
  search("");
  scroller.focus();
}

function selectFromAddress() {
  const index = Number(/moment=(\d+)/.exec(location.hash)?.[1] ?? "-1");
  if (index < 0 || index >= page.picture.moments.length) return false;
  select(index);
  return true;
}

function fillTools() {
  const clients = [...new Set(page.picture.topics.map(({ clientId }) => clientId))].filter(
    (clientId) => clientId !== null,
  );
  const group = (label, options) => `<optgroup label="${label}">${options.join("")}</optgroup>`;
  const option = (value, text) => `<option value="${escaped(value)}">${escaped(text)}</option>`;
  const visits = page.picture.topics.flatMap(({ name }, topic) =>
    name.includes(" ") ? [option(`topic=${topic}`, name)] : [],
  );
  byId("only").insertAdjacentHTML(
    "beforeend",
    group(
      "client ids",
      clients.sort().map((clientId) => option(`client=${clientId}`, clientId)),
    ) + group("exchanges", visits),
  );
  byId("families").innerHTML = Object.entries(FAMILIES)
    .map(
      ([family, name]) =>
        `<button type="button" class="family ${family}" data-family="${family}" aria-pressed="true" title="show or hide">${name}</button>`,
    )
    .join("");
  byId("violation").hidden = !page.picture.moments.some(({ tone }) => tone === "violation");
  byId("visits").innerHTML = visitTable(page.picture);
  byId("visit-count").textContent = String(page.picture.visitors.length);
  byId("legend").innerHTML = legend();
  byId("details").innerHTML = '<p class="empty">Select a moment or an arrow.</p>';
}

async function start() {
  page.picture = await readData();
  const found = page.picture.moments.find(({ tone }) => tone === "violation")?.items[0]?.[3];
  view.cause = found === undefined ? null : Number(found);
  fillTools();
  relayout(null);
  listen();
  if (!selectFromAddress()) goToViolation();
  if (view.selected === null) openTab(page.picture.faults.length > 0 ? "faults" : "visits");
  document.body.dataset.ready = "yes";
}

void start();
