/** The status page: one file, no resource from elsewhere, numbers fetched anew every two seconds. */
import { createHash } from "node:crypto";

const style = `
:root { color-scheme: light dark; --ink: light-dark(#1d2429, #e4e9ec); --soft: light-dark(#5d6b75, #93a1ab);
  --ground: light-dark(#f4f6f7, #14191d); --card: light-dark(#fff, #1d2429); --line: light-dark(#dfe5e9, #2c363d);
  --good: light-dark(#16794c, #4cc38a); --bad: light-dark(#b42318, #ff8b7e); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 56rem; padding: 2rem 1.25rem 3rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
header { display: flex; align-items: baseline; gap: .75rem; margin-bottom: 1.5rem; }
h1 { margin: 0; font-size: 1.35rem; letter-spacing: -.01em; }
p { margin: 0 0 1rem; } p:empty { display: none; }
h2 { margin: 2rem 0 .5rem; font-size: .95rem; }
#state { margin-left: auto; font-weight: 600; }
#state::before { content: ""; display: inline-block; width: .6em; height: .6em; margin-right: .45em;
  border-radius: 50%; background: currentColor; }
.good { color: var(--good); } .bad { color: var(--bad); } .soft { color: var(--soft); }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 45%), 1fr)); gap: .75rem; margin: 0; }
dl div { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .7rem .9rem; }
dt { color: var(--soft); font-size: .82rem; }
dd { margin: 0; font-size: 1.35rem; font-weight: 600; letter-spacing: -.01em; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; overflow: hidden; }
td { padding: .4rem .9rem; border-top: 1px solid var(--line); }
tr:first-child td { border-top: 0; }
td:last-child { text-align: right; }
`;

const script = `
const bytes = (n) => {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (n < 1024) return (unit === "B" || n >= 100 ? Math.round(n) : n.toFixed(1)) + " " + unit;
    n /= 1024;
  }
  return n.toFixed(1) + " TiB";
};
const count = (n) => n.toLocaleString("en");
const time = (s) => s < 120 ? s + " s" : s < 7200 ? Math.floor(s / 60) + " min" : s < 172800
  ? Math.floor(s / 3600) + " h" : Math.floor(s / 86400) + " days";
const registry = (up) => up === null ? "not asked yet" : up ? "up" : "down";
const cards = [
  ["Tunnels", "tunnels", count], ["Exchanges", "exchanges", count], ["Waiting requests", "waiting", count],
  ["Visitor sockets", "visitorSockets", count], ["Native sessions", "sessions", count],
  ["Held bytes", "heldBytes", bytes], ["Registry", "registryUp", registry], ["Uptime", "uptimeSeconds", time],
  ["From agents", "bytesIn", bytes], ["To visitors", "bytesOut", bytes], ["Memory", "memoryBytes", bytes],
];
const events = [
  ["tunnels accepted", "tunnelsAccepted"], ["sessions resumed", "resumptions"], ["sent to other nodes", "hopsSent"], ["taken from other nodes", "hopsTaken"], ["tunnel pauses", "tunnelPauses"], ["aborts sent", "abortsSent"],
  ["stray packets", "strayPackets"], ["duplicate packets", "duplicatePackets"],
  ["agent protocol errors", "agentProtocolErrors"],
];
const element = (name, text, parent) => {
  const made = document.createElement(name);
  made.textContent = text;
  parent?.append(made);
  return made;
};
const row = ([name, n]) => {
  const made = document.createElement("tr");
  element("td", name, made);
  element("td", count(n), made);
  return made;
};
const worker = ({ worker, pid, status }) => {
  const made = document.createElement("tr");
  element("td", worker + " (pid " + pid + ")", made);
  element("td", status === null ? "no answer" : count(status.tunnels) + " tunnels, " + count(status.exchanges)
    + " exchanges, " + bytes(status.memoryBytes) + ", up " + time(status.uptimeSeconds), made);
  return made;
};
const state = document.getElementById("state");
function mark(good, text) {
  state.className = good ? "good" : "bad";
  state.textContent = text;
}
function show(now) {
  document.getElementById("cards").replaceChildren(...cards.map(([title, key, format]) => {
    const card = document.createElement("div");
    element("dt", title, card);
    element("dd", format(now[key]), card);
    return card;
  }));
  const outcomes = Object.entries(now.outcomes).sort((a, b) => b[1] - a[1]);
  document.getElementById("outcomes").replaceChildren(
    ...(outcomes.length > 0 ? outcomes : [["none yet", 0]]).map(row));
  document.getElementById("events").replaceChildren(...events.map(([name, key]) => row([name, now[key]])));
  const workers = now.workers ?? [];
  document.getElementById("ofWorkers").hidden = workers.length === 0;
  document.getElementById("workers").replaceChildren(...workers.map(worker));
  document.getElementById("problem").textContent = now.registryProblem?.detail ?? "";
  if (now.draining) mark(false, "draining");
  else if (now.registryProblem) mark(false, "takes no registrations");
  else if (now.registryUp === false) mark(false, "registry down");
  else mark(true, "serving");
}
async function refresh() {
  try {
    const answer = await fetch("status.json", { signal: AbortSignal.timeout(5000) });
    show(await answer.json());
  } catch {
    mark(false, "no answer");
  }
  setTimeout(refresh, 2000);
}
refresh();
`;

export const statusPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Culvert</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<header><h1>Culvert</h1><span class="soft">tunnel server</span><span id="state" class="soft">loading</span></header>
<main>
<p id="problem" class="bad"></p>
<dl id="cards"></dl>
<h2>How exchanges ended</h2>
<table><tbody id="outcomes"></tbody></table>
<h2>Tunnel events</h2>
<table><tbody id="events"></tbody></table>
<section id="ofWorkers" hidden>
<h2>Workers</h2>
<table><tbody id="workers"></tbody></table>
</section>
</main>
<script>${script}</script>
</body>
</html>
`;

/** Only what is above may run, and it may talk to nobody but this listener. */
export const statusPagePolicy = [
  "default-src 'none'",
  `style-src '${digest(style)}'`,
  `script-src '${digest(script)}'`,
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

function digest(content: string): string {
  return `sha256-${createHash("sha256").update(content).digest("base64")}`;
}
