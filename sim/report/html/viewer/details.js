/** All there is to know of one moment or one message. */
import { escaped, FAMILIES, LOST, secondsOf, spanOf, UNDER_WAY } from "./data.js";

/** The selected moment. */
export function momentDetails(picture, moment) {
  const { lane, who, atUs, step, label, tone, topics, items, sent, got } = moment;
  const place = lane === -1 ? "" : picture.lanes[lane].subtitle;
  const facts = [who, place, step === -1 ? "" : `step ${step}`].filter((fact) => fact !== "");
  return `
    <header class="${tone}">
      <p class="when">${secondsOf(atUs)} s</p>
      <h2>${escaped(label)}</h2>
      <p class="where">${facts.map(escaped).join(" · ")}</p>
      <p class="topics">${topics.map((topic) => topicButton(picture, topic)).join(" ")}</p>
    </header>
    ${got.map((index) => messageCard(picture, index, "got")).join("")}
    ${items.map((item) => itemCard(picture, item)).join("")}
    ${sent.map((index) => messageCard(picture, index, "sent")).join("")}
    ${neighbours(picture, moment)}`;
}

/** The selected message. */
export function messageDetails(picture, message) {
  const { label, family, from, to, topics } = message;
  const fate = to < 0 ? FATES[to] : `took ${spanOf(picture.moments[to].atUs - picture.moments[from].atUs)}`;
  return `
    <header>
      <p class="when">${secondsOf(picture.moments[from].atUs)} s</p>
      <h2>${escaped(label)}</h2>
      <p class="where">${FAMILIES[family]} · ${fate}</p>
      <p class="topics">${topics.map((topic) => topicButton(picture, topic)).join(" ")}</p>
    </header>
    <div class="card"><h3>from</h3><p>${momentLink(picture, from)}</p></div>
    <div class="card"><h3>to</h3><p>${to < 0 ? FATES[to] : momentLink(picture, to)}</p></div>
    ${message.fields.length === 0 ? "" : `<div class="card"><h3>content</h3>${fieldTable(message.fields)}</div>`}`;
}

const FATES = { [LOST]: "never arrived", [UNDER_WAY]: "was under way when the run ended" };

function topicButton({ topics }, topic) {
  return `<button type="button" data-only="${topic}">only ${escaped(topics[topic].name)}</button>`;
}

function messageCard(picture, index, direction) {
  const { from, to, family, label, fields } = picture.messages[index];
  const other = direction === "got" ? from : to;
  const took =
    to < 0 ? "" : ` <small>${spanOf(picture.moments[to].atUs - picture.moments[from].atUs)}</small>`;
  const link = other < 0 ? `<em>${FATES[other]}</em>` : momentLink(picture, other);
  const content =
    fields.length === 0 ? "" : `<details><summary>content</summary>${fieldTable(fields)}</details>`;
  return `<div class="card message ${family}"><h3>${direction === "got" ? "⟵ from" : "⟶ to"} ${link}${took}</h3><p>${escaped(label)}</p>${content}</div>`;
}

function momentLink(picture, index) {
  const { who, lane, atUs } = picture.moments[index];
  const name = who === "" ? (picture.lanes[lane]?.title ?? "") : who;
  return `<a href="#moment=${index}" data-moment="${index}">${escaped(name)} at ${secondsOf(atUs)}</a>`;
}

const KINDS = { event: "event", effect: "ordered", fact: "", fault: "⚡ fault", violation: "violated" };

function itemCard(picture, [kind, title, ...fields]) {
  if (kind === "violation") return violationCard(picture, fields[1]);
  const name = kind === "event" || kind === "effect" ? `<code>${escaped(title)}</code>` : escaped(title);
  return `<div class="card ${kind}"><h3><span>${KINDS[kind]}</span> ${name}</h3>${fieldTable(fields)}</div>`;
}

function violationCard(picture, cause) {
  if (cause === undefined) return "";
  const { label } = picture.moments[cause];
  return `<div class="card violation"><h3>Just before</h3><p>${momentLink(picture, cause)}<br>${escaped(label)}</p></div>`;
}

function fieldTable(fields) {
  const rows = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    rows.push(`<tr><th>${escaped(fields[index])}</th><td>${escaped(fields[index + 1])}</td></tr>`);
  }
  return rows.length === 0 ? "" : `<table class="values">${rows.join("")}</table>`;
}

/** The ways on from here that follow one place. */
function neighbours({ moments }, { index, lane, visitor }) {
  const isHere = (other) => other.lane === lane && other.visitor === visitor;
  const before = moments.slice(0, index).findLast(isHere);
  const after = moments.slice(index + 1).find(isHere);
  const link = (moment, text) =>
    moment === undefined
      ? "<span></span>"
      : `<a href="#moment=${moment.index}" data-moment="${moment.index}">${text}</a>`;
  return `<p class="neighbours">${link(before, "↑ before, here")}${link(after, "after, here ↓")}</p>`;
}
