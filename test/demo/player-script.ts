/**
 * What runs in the player page. Plain text, because it belongs to the browser: Node's types and libraries do not apply.
 *
 * The whole file is fetched with a range from its first byte on, since a server may compress what is not ranged, and
 * the time of that would be taken for the tunnel's.
 */
export const playerScript = `
"use strict";
const facts = JSON.parse(document.getElementById("facts").textContent);
const audio = document.getElementById("audio");
const wave = document.getElementById("wave");

function size(bytes) {
  if (bytes < 1e3) return bytes + " B";
  if (bytes < 1e6) return (bytes / 1e3).toFixed(0) + " kB";
  return bytes < 1e9 ? (bytes / 1e6).toFixed(1) + " MB" : (bytes / 1e9).toFixed(2) + " GB";
}

for (const loudness of facts.outline) {
  wave.append(Object.assign(document.createElement("i"), { style: "height:" + Math.max(3, loudness) + "%" }));
}
function showPosition() {
  const played = (audio.currentTime / facts.seconds) * wave.children.length;
  [...wave.children].forEach((bar, index) => bar.classList.toggle("played", index < played));
}
function seek(share) {
  audio.currentTime = share * facts.seconds;
  audio.play();
}
audio.addEventListener("timeupdate", showPosition);
audio.addEventListener("seeking", showPosition);
wave.addEventListener("click", (event) => {
  const box = wave.getBoundingClientRect();
  seek((event.clientX - box.left) / box.width);
});
for (const button of document.querySelectorAll("[data-seek]")) {
  button.addEventListener("click", () => seek(Number(button.dataset.seek)));
}

const words = { running: "running", complete: "complete", left: "listener left" };
function row(delivery) {
  const line = document.createElement("tr");
  const cells = [
    [delivery.id, ""],
    [delivery.range ?? "the whole file", "range"],
    [delivery.status, ""],
    [size(delivery.bytesSent), "size"],
    [words[delivery.state], "state " + delivery.state],
  ];
  for (const [text, className] of cells) {
    line.append(Object.assign(document.createElement("td"), { textContent: text, className }));
  }
  return line;
}

let before = null;
async function showNumbers() {
  const now = performance.now();
  const { deliveries, totals } = await (await fetch("/live.json")).json();
  const rate = before === null ? 0 : (totals.bytesSent - before.bytesSent) / ((now - before.now) / 1000);
  before = { now, bytesSent: totals.bytesSent };
  document.getElementById("total").textContent = size(totals.bytesSent);
  document.getElementById("rate").textContent = size(Math.round(rate)) + "/s";
  document.getElementById("requests").textContent = totals.requests;
  document.getElementById("route").classList.toggle("flowing", rate > 0 || !audio.paused);
  if (deliveries.length > 0) {
    document.getElementById("deliveries").replaceChildren(...deliveries.toReversed().map(row));
  }
}
async function keepShowing() {
  try {
    await showNumbers();
    setTimeout(keepShowing, 500);
  } catch {
    document.getElementById("rate").textContent = "demo ended";
    document.getElementById("route").classList.remove("flowing");
  }
}
keepShowing();

const check = document.getElementById("check");
const verdict = document.getElementById("verdict");
check.addEventListener("click", async () => {
  check.disabled = true;
  verdict.className = "";
  verdict.textContent = "Downloading …";
  try {
    const start = performance.now();
    const response = await fetch(facts.tuneUrl, { headers: { range: "bytes=0-" }, cache: "no-store" });
    const body = await response.arrayBuffer();
    const seconds = (performance.now() - start) / 1000;
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
    const digest = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const equal = digest === facts.sha256;
    verdict.className = equal ? "equal" : "different";
    verdict.textContent = (equal ? "Equal: " : "DIFFERENT: ") + size(body.byteLength) + " in " +
      seconds.toFixed(2) + " s, " + size(body.byteLength / seconds) + "/s. SHA-256 " + digest;
  } catch (error) {
    verdict.className = "different";
    verdict.textContent = "It failed: " + error.message;
  }
  check.disabled = false;
});
`;
