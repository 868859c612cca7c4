/** The player page: one HTML document with everything in it, light and dark, that asks nobody but this machine. */
import { playerScript } from "./player-script.ts";
import { playerStyle } from "./player-style.ts";

/** What the page is told once. What changes comes from `/live.json`. */
export type PlayerFacts = {
  readonly title: string;
  readonly tuneUrl: string;
  readonly serverPort: string;
  readonly homePort: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly seconds: number;
  readonly outline: readonly number[];
};

export function playerPage(facts: PlayerFacts): string {
  const title = escapeHtml(facts.title);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Culvert demo</title>
<link rel="icon" href="data:,">
<style>${playerStyle}</style>
<main>
  <p class="kicker">Culvert demo</p>
  <h1>${title}</h1>
  <ol class="route" id="route">
    <li>this browser</li>
    <li>server <small>port ${escapeHtml(facts.serverPort)}</small></li>
    <li>agent <small>no open port</small></li>
    <li>home <small>port ${escapeHtml(facts.homePort)}</small></li>
  </ol>
  <section class="card">
    <div class="wave" id="wave" aria-hidden="true"></div>
    <audio id="audio" controls preload="metadata" src="${escapeHtml(facts.tuneUrl)}"></audio>
    <p class="seek">Every jump is a new range request through the tunnel:
      <button data-seek="0.25">¼</button><button data-seek="0.5">½</button><button data-seek="0.75">¾</button></p>
  </section>
  <section class="numbers">
    <div><b id="total">0</b><span>left the home</span></div>
    <div><b id="rate">0</b><span>right now</span></div>
    <div><b id="requests">0</b><span>requests</span></div>
  </section>
  <section class="card">
    <h2>What the home was asked for</h2>
    <table>
      <thead><tr><th>#</th><th>range</th><th>status</th><th>sent</th><th></th></tr></thead>
      <tbody id="deliveries"><tr><td colspan="5" class="empty">Nothing yet. Press play.</td></tr></tbody>
    </table>
  </section>
  <section class="card check">
    <button id="check">Fetch it whole and compare</button>
    <p id="verdict">Downloads the file through the tunnel and compares its SHA-256 with the home's file.</p>
  </section>
</main>
<script type="application/json" id="facts">${escapeScript(JSON.stringify(facts))}</script>
<script>${playerScript}</script>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A script element ends at the first end tag, wherever it stands. */
function escapeScript(json: string): string {
  return json.replaceAll("<", "\\u003c");
}
