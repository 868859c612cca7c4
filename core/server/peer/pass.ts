/**
 * How a node shows another one that it may send a visitor's request: a field that says whose it is and that only the cluster's
 * secret makes.
 *
 * The signature covers the whole head as the other node gets it, but for what frames the message, and what the field tells: which
 * node is meant, the home and its tunnel, who asks, and until when. So what is changed, sent to another node or process, or kept for
 * later, is good for nothing; and what is sent a second time is not good again, for as long as it would be (`passMs`).
 */
import type { ExchangeOpened } from "../../events.ts";
import { type HeaderList, headerValues, withoutHeaders } from "../../http/headers.ts";
import { dequeue, enqueue, queueItem, queueLength } from "../../queue.ts";
import type { Hop } from "../state/peers.ts";
import type { ServerState } from "../state/server.ts";

type Head = Pick<ExchangeOpened, "method" | "target" | "headers">;

const NAME = "Culvert-Hop";
const LOWER_NAME = "culvert-hop";

/** The field for the head. `nonce`: of no other pass of this node. */
export function passFields(state: ServerState, head: Head, hop: Hop, nonce: string): HeaderList {
  const { config, nowMs } = state;
  const [hmac] = config.peerHmacs;
  if (hmac === undefined) return [];
  const told = [
    VERSION,
    String(config.epochMs + nowMs + config.limits.passMs),
    nonce,
    hop.expectsContinue ? "expects" : "-",
    hop.accessHash ?? "-",
    encodeURIComponent(hop.node),
    encodeURIComponent(hop.tunnel),
    encodeURIComponent(hop.clientId),
    encodeURIComponent(hop.peer),
  ].join(" ");
  return [NAME, `${told} ${hmac(signedText(head, told))}`];
}

/** What the head's pass says; null where it has none, or none that is good here, now, and for the first time. */
export function takePass(state: ServerState, head: Head): Hop | null {
  const { config } = state;
  const fields = headerValues(head.headers, LOWER_NAME);
  const [, told, mac] = (fields.length === 1 && PASS.exec(fields[0] ?? "")) || [];
  if (told === undefined || mac === undefined) return null;
  const text = signedText(head, told);
  // How far two hashes agree says nothing about what they are of.
  const shown = config.sha256(mac);
  if (!config.peerHmacs.some((hmac) => config.sha256(hmac(text)) === shown)) return null;
  const [, untilText = "", , expects, accessHash = "-", node, tunnel, clientId, peer] = told.split(" ");
  const hop = {
    node: decoded(node),
    tunnel: decoded(tunnel),
    clientId: decoded(clientId),
    peer: decoded(peer),
    accessHash: accessHash === "-" ? null : accessHash,
    expectsContinue: expects === "expects",
  };
  return isFirst(state, mac, Number(untilText)) ? hop : null;
}

/** The head's fields but those of this hop: what a pass signs, and what of the head is the visitor's. */
export function headOfVisitor(headers: HeaderList): HeaderList {
  return withoutHeaders(headers, (name) => OF_THE_HOP.has(name));
}

const OF_THE_HOP: ReadonlySet<string> = new Set([LOWER_NAME, "connection", "expect", "transfer-encoding"]);

/** Whether it is good still, and was not shown before. */
function isFirst({ config, nowMs, peers }: ServerState, mac: string, untilMs: number): boolean {
  const { passMs, passesMax } = config.limits;
  const wallMs = config.epochMs + nowMs;
  const { passes } = peers;
  if (!(untilMs > wallMs && untilMs <= wallMs + 2 * passMs) || untilMs <= passes.endedMs) return false;
  // 52 of its bits: two of as many passes as are kept have the same ones about once in a million years of full memories.
  const key = Number.parseInt(mac.slice(0, 13), 16) + 1;
  if (passes.shown.has(key)) return false;
  for (let oldest = queueItem(passes.order, 0); oldest !== undefined; oldest = queueItem(passes.order, 0)) {
    const isFull = queueLength(passes.order) >= passesMax;
    if (oldest.untilMs > wallMs && !isFull) break;
    if (oldest.untilMs > wallMs) passes.endedMs = Math.max(passes.endedMs, oldest.untilMs);
    passes.shown.delete(oldest.key);
    dequeue(passes.order);
  }
  passes.shown.set(key, untilMs);
  enqueue(passes.order, { key, untilMs });
  return true;
}

/** No field has a line break. The framing is each hop's own, but how long a body is belongs to the request. */
function signedText({ method, target, headers }: Head, told: string): string {
  let text = `culvert hop ${told}\n${method} ${target}\n`;
  const signed = headOfVisitor(headers);
  for (let index = 0; index + 1 < signed.length; index += 2) {
    const name = (signed[index] ?? "").toLowerCase();
    if (name !== "content-length" && name !== "upgrade") text += `${name}:${signed[index + 1]}\n`;
  }
  return text;
}

/** It was signed, so that what is in it was encoded by a node. */
function decoded(text: string | undefined): string {
  return decodeURIComponent(text ?? "");
}

const VERSION = "1";
const PASS =
  /^(1 \d{1,16} [0-9a-f.]{1,64} (?:expects|-) (?:[0-9a-f]{64}|-)(?: [\w.!~*'()%-]*){4}) ([0-9a-f]{64})$/;
