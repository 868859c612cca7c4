/**
 * Of a home's headers the visitor gets those that are for him, unchanged, and none that were for a hop on the way; none
 * that names a place leads to the private network, or out of the home. Who may read an answer across sites is the server's to
 * say, and the same for every answer.
 */
import type { Property } from "../record/checker.ts";
import { Readers } from "../record/readers.ts";
import type { Visit } from "../record/visit.ts";
import { extraHeaders, OWN_PATH } from "../scenario/answers.ts";
import { headerOf } from "../tools/headers.ts";

/** Fields of one connection, and one that a home nominates as such (RFC 9110 section 7.6.1). */
const HOP_BY_HOP = ["connection", "keep-alive", "transfer-encoding", "upgrade", "x-hop"];
/** Of the others, those that a compressed answer keeps as well. */
const UNCHANGED = ["cache-control", "x-title"];
/** And those that only an answer keeps which is sent as it is. */
const OF_THE_BODY = ["etag", "content-digest", "vary"];

export const endToEnd: Property = {
  name: "end_to_end",
  create: (violate, judged) => {
    let readers: Readers | null = null;
    return {
      begun: ({ scenario }) => {
        readers = new Readers(scenario);
      },
      sees: ["respond", "respond_head", "settings_changed"],
      serverStep: ({ name, ledger }, event, effects, count) => {
        readers?.note(name, event);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type !== "respond" && effect?.type !== "respond_head") continue;
          const exchange = ledger.exchanges.get(effect.exchange);
          // Another node says it to its visitor.
          if (exchange === undefined || exchange.opened.byPeer === true) continue;
          judged();
          const origin = headerOf(exchange.opened.headers, "origin");
          const may = origin !== undefined && readers?.isReader(name, origin) === true;
          // On its own name a home says so itself.
          if (exchange.place.way !== "query") continue;
          const said = headerOf(effect.headers, "access-control-allow-origin");
          if (said === (may ? origin : undefined)) continue;
          violate(
            "safety",
            `${name} lets ${said ?? "nobody"} read the answer that ${origin ?? "nobody"} asked for`,
          );
        }
      },
      visitHead: (visit, status, headers) => {
        if (headerOf(headers, "x-home-answer") === undefined || visit.tampered || status === 101) return;
        judged();
        const wrong = wrongIn(visit, headers);
        if (wrong !== null) violate("safety", `visit ${visit.operation.id} got ${wrong}`);
      },
    };
  },
};

/** Values that name a place of a home that names itself. */
function placesIn(headers: readonly string[]): readonly string[] {
  const named = headers.filter((text, index) => index % 2 === 1 && text.includes(OWN_PATH));
  const cookies = headers.filter((text, index) => index % 2 === 1 && text.startsWith("named="));
  return [...named, ...cookies];
}

/** The names of the services, which nobody outside knows. */
const PRIVATE = /\.test\b/;

function wrongIn({ operation, clientId }: Visit, headers: readonly string[]): string | null {
  const { quirks = [], way } = operation.request;
  // Behind a proxy that has a name of its own, a home that is told another host names that one.
  const isBelowPath = way === "path" && !quirks.includes("forwarded");
  const prefix = isBelowPath ? `/t/${clientId}` : "";
  const place = placesIn(headers).find((text) => PRIVATE.test(text) || !text.includes(prefix));
  if (place !== undefined) return `${place}, which is no place of the home's for him`;
  const hop = HOP_BY_HOP.find((name) => headerOf(headers, name) !== undefined);
  if (hop !== undefined) return `${hop}, which was for a hop on the way`;
  const sent = extraHeaders(operation.answer.quirks ?? []);
  const isCoded = headerOf(headers, "content-encoding") !== undefined;
  for (const name of isCoded ? UNCHANGED : [...UNCHANGED, ...OF_THE_BODY]) {
    const wanted = headerOf(sent, name);
    // A field that comes in pieces may be joined, and the server may vary by something of its own.
    if (wanted === undefined || (headerOf(headers, name) ?? "").includes(wanted)) continue;
    return `${name} ${headerOf(headers, name) ?? "missing"} where the home said ${wanted}`;
  }
  return null;
}
