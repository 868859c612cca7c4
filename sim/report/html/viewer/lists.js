/** The panels beside the details: visits, and what the signs mean. */
import { escaped, FAMILIES, secondsOf } from "./data.js";

/** Every visit and visitor socket, how it began and how it ended. */
export function visitTable({ visitors, moments }) {
  const rows = visitors.map(({ name, first, last, end }, index) => {
    const { atUs, items, label } = firstOf(moments.slice(first, last + 1), index);
    const what = items.find(([kind]) => kind === "fact")?.[1] ?? label;
    return `<tr data-visitor="${index}"><td>${escaped(name)}</td><td>${secondsOf(atUs).slice(0, -3)}</td><td class="what" title="${escaped(what)}">${escaped(what)}</td><td class="end ${end}">${end === "" ? "–" : end}</td></tr>`;
  });
  return `<table class="list"><thead><tr><th>who</th><th>from</th><th>what</th><th>end</th></tr></thead><tbody>${rows.join("")}</tbody></table>`;
}

/** Where the visitor did something itself: a fault may have been there before it. */
function firstOf(moments, visitor) {
  return moments.find((moment) => moment.visitor === visitor && moment.tone === "plain") ?? moments[0];
}

const KEYS = [
  ["j k", "next and previous moment"],
  ["] [", "next and previous moment at the same place"],
  ["/", "search; Enter and Shift+Enter go through the hits"],
  ["n N", "next and previous hit"],
  ["f", "only whom the selected moment is about; again for everybody"],
  ["v", "to the violation"],
  ["+ −", "zoom; also Ctrl and the wheel"],
  ["g G", "to the begin, to the end"],
  ["p", "this panel away, and back"],
  ["d", "light or dark"],
  ["Esc", "close the search, show everybody"],
];

export function legend() {
  const families = Object.entries(FAMILIES).map(
    ([family, name]) =>
      `<tr><td><svg class="sample" viewBox="0 0 44 12"><g class="message ${family}"><path d="M2 6H36"/></g><path class="tip ${family}" d="M34 2l8 4-8 4z"/></svg></td><td>${name}</td></tr>`,
  );
  const signs = [
    ['<g class="message tunnel lost"><path d="M2 6H30m-4 -4l8 8m0 -8l-8 8"/></g>', "never arrived"],
    [
      '<rect class="band" x="20" y="0" width="3" height="12" rx="1.5"/>',
      "a fault is at work; its begin is marked ⚡",
    ],
    ['<path class="line alive" d="M22 0V12"/>', "the process runs"],
    ['<path class="line gone" d="M22 0V12"/>', "nothing runs there"],
    [
      '<rect class="visitor complete" x="19" y="0" width="6" height="12" rx="3"/>',
      "a visit that got a whole answer",
    ],
    [
      '<rect class="visitor cut" x="19" y="0" width="6" height="12" rx="3"/>',
      "a visit whose connection broke or was refused",
    ],
    ['<rect class="visitor left" x="19" y="0" width="6" height="12" rx="3"/>', "a visitor that left"],
    ['<path class="pause" d="M0 6H44"/>', "a pause: it is not drawn to scale"],
  ].map(
    ([drawing, text]) =>
      `<tr><td><svg class="sample" viewBox="0 0 44 12">${drawing}</svg></td><td>${text}</td></tr>`,
  );
  const keys = KEYS.map(
    ([names, text]) => `<tr><td>${names.replace(/\S+/g, "<kbd>$&</kbd>")}</td><td>${text}</td></tr>`,
  );
  return `<h3>Messages</h3><table class="values">${families.join("")}</table>
    <h3>Signs</h3><table class="values">${signs.join("")}</table>
    <p>Every moment has a row of its own, in the order in which things happened. A message is an arrow from the moment that sent it to the moment that it caused. Words behind → are what a step ordered.</p>
    <h3>Keys</h3><table class="values">${keys.join("")}</table>`;
}
