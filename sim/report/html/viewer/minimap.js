/** The whole run beside the timeline: where things are dense, where faults act, where it broke, and what is in view. */
import { xOf, yAtTime } from "./layout.js";

/** Draws the map anew; `hits` are the moments that a search found. */
export function drawMinimap(layout, { hits, selected }) {
  const canvas = document.querySelector("#minimap canvas");
  const { clientWidth: width, clientHeight: height } = canvas.parentElement;
  const scale = window.devicePixelRatio;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const colour = colours();
  const down = scaleOf(layout, height);
  const across = (width - 12) / layout.width;

  pen.fillStyle = colour("fault");
  pen.globalAlpha = 0.35;
  for (const { fromUs, toUs, moment } of layout.picture.faults) {
    if (moment === -1) continue;
    const top = layout.yOf[moment] * down;
    pen.fillRect(0, top, 4, Math.max(1, yAtTime(layout, toUs) * down - top));
    if (fromUs === toUs) pen.fillRect(0, top, 8, 1.5);
  }

  for (const moment of layout.shown) {
    if (moment.lane === -1) continue;
    pen.globalAlpha = 0.5;
    pen.fillStyle = colour(moment.tone === "fault" ? "fault" : layout.lanes[moment.lane].kind);
    pen.fillRect(
      8 + xOf(layout, moment) * across,
      layout.yOf[moment.index] * down,
      4,
      Math.max(0.6, layout.rowHeight * down),
    );
  }

  pen.globalAlpha = 1;
  const line = (moment, name, thickness) => {
    pen.fillStyle = colour(name);
    pen.fillRect(0, layout.yOf[moment] * down - thickness / 2, width, thickness);
  };
  for (const { index, tone } of layout.picture.moments) if (tone === "healed") line(index, "healed", 1.5);
  for (const hit of hits) {
    pen.fillStyle = colour("found");
    pen.fillRect(width - 8, layout.yOf[hit] * down - 1, 8, 2);
  }
  if (selected !== null) line(selected, "ink", 1);
  for (const { index, tone } of layout.picture.moments) if (tone === "violation") line(index, "violation", 3);
}

/** The page's colours as they are now: a canvas knows nothing of light and dark. */
function colours() {
  const probe = document.getElementById("viewport");
  const known = new Map();
  return (name) => {
    if (!known.has(name)) {
      probe.style.color = `var(--${name})`;
      known.set(name, getComputedStyle(probe).color);
    }
    return known.get(name);
  };
}

/** What is shorter than the window is drawn as it is. */
function scaleOf(layout, height) {
  return Math.min(1, height / layout.height);
}

/** Frames what can be seen of the timeline. */
export function drawViewport(layout, scroller) {
  const map = document.getElementById("minimap");
  const frame = document.getElementById("viewport");
  const down = scaleOf(layout, map.clientHeight);
  frame.style.top = `${scroller.scrollTop * down}px`;
  frame.style.height = `${Math.max(6, scroller.clientHeight * down)}px`;
}

/** Scrolls the timeline to wherever the map is pressed. */
export function followPointer(scroller, currentLayout) {
  const map = document.getElementById("minimap");
  const follow = (event) => {
    if (event.buttons !== 1) return;
    const y = event.clientY - map.getBoundingClientRect().top;
    scroller.scrollTop = y / scaleOf(currentLayout(), map.clientHeight) - scroller.clientHeight / 2;
  };
  map.addEventListener("pointerdown", (event) => {
    map.setPointerCapture(event.pointerId);
    follow(event);
  });
  map.addEventListener("pointermove", follow);
}
