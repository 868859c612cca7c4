/** What a visit should come to in a world without faults. */
import type { Visit } from "../record/visit.ts";
import { isMalformed } from "../scenario/answers.ts";
import { oddStatuses } from "../scenario/odd-requests.ts";
import type { AnswerSpec, Scenario } from "../scenario/scenario.ts";
import { GOOD_BYE_CODE } from "../wire/web-socket-frame.ts";

/** Statuses of an answer that is the server's own. */
export function expectedStatuses(visit: Visit): readonly number[] | "home" {
  const { endpoint, credential, method, odd, way } = visit.operation.request;
  switch (endpoint) {
    case "health":
      return [200];
    case "preflight":
      return [200, 204];
    case "bad_target":
    case "no_client_id":
      return [400, 401];
    case "register":
      // It is registered already: the setting says whether it is done again, and for whom.
      if (credential !== "access") return [401];
      return [200, 409];
    case "magic_token_use":
      return "home";
    case "odd":
      // The native protocol passes on any header and method, so that the home can say that it knows no such page.
      if ((odd === "two_ranges" || odd === "foreign_method") && visit.native) return [404];
      return odd === undefined ? [] : oddStatuses(odd);
    default:
  }
  const isOpen = way !== undefined && visit.access === "public";
  if (!isOpen && !isValid(credential, endpoint)) return [401];
  if (endpoint === "not_json") return visit.native ? "home" : [400];
  if (endpoint === "tunnel" || endpoint === "track") return "home";
  return method === "HEAD" ? [200, 204] : [200];
}

/** Whether the visit came to what it should come to, if nothing went wrong. */
export function isAsExpected(visit: Visit): boolean {
  if (visit.end === "left") return visit.operation.leaves !== null;
  // Whoever came behind others on a connection may share their fate, or wait for them as long as for nobody else.
  if (visit.end === "forsaken") return true;
  if (waitedLong(visit)) return visit.end === "complete" || visit.end === "cut";
  if (mayFail(visit.operation.answer)) return visit.end === "complete" || visit.end === "cut";
  if (visit.end !== "complete") return false;
  if (visit.closeCode !== goodByeOf(visit)) return false;
  const expected = expectedStatuses(visit);
  if (expected === "home") return visit.fromHome && visit.status === visit.model.status;
  return visit.status !== null && expected.includes(visit.status);
}

/** What is small goes first, and of an answer in thousands of small pieces the head does not find its way between them. */
export function overtakes({ homes }: Pick<Scenario, "homes">, home: number): boolean {
  return homes[home]?.queue === "smaller_first";
}

/** Those whose requests came behind it on its connection, before it was answered. */
export function pipelinedBehind(host: number, visits: readonly Visit[]): Visit[] {
  const next = visits.filter(({ operation: { connection } }) => {
    return connection?.onto === host && connection.pipelined === true;
  });
  return next.flatMap((visit) => [visit, ...pipelinedBehind(visit.operation.id, visits)]);
}

/** Whether one behind it waited for its turn until it was given up, by a reset that takes what of this one had not arrived. */
export function isLostWithLater({ end, operation: { id } }: Visit, visits: readonly Visit[]): boolean {
  return end === "cut" && pipelinedBehind(id, visits).some(waitedLong);
}

function waitedLong({ startedUs, turnUs, endedUs, operation }: Visit): boolean {
  const { pipelined } = operation.connection ?? {};
  return pipelined === true && (turnUs ?? endedUs ?? startedUs) - startedUs > TURN_PATIENCE_US;
}

/** A server's shortest deadlines for a visitor who does not read, or does not send. */
const TURN_PATIENCE_US = 2_000_000;

/** What a home that takes a WebSocket ends it with, if it does so of its own accord. */
function goodByeOf({ status, operation: { answer } }: Visit): number | null {
  return status === 101 && answer.closes === true ? GOOD_BYE_CODE : null;
}

/** What comes of such an answer depends on who carries it, and on how patient they are. */
function mayFail({ quirks = [], headAfterUs, bodyBytes, chunkBytes, chunkEveryUs }: AnswerSpec): boolean {
  const lastsUs = headAfterUs + Math.ceil(bodyBytes / chunkBytes) * chunkEveryUs;
  return isMalformed(quirks) || headAfterUs > PATIENCE_FOR_HEAD_US || lastsUs > PATIENCE_FOR_PACKET_US;
}

/** An agent's shortest deadline for a home's head, and a server's for the first packet, which may hold all of the answer. */
const PATIENCE_FOR_HEAD_US = 4_000_000;
const PATIENCE_FOR_PACKET_US = 9_000_000;

function isValid(credential: string, endpoint: string): boolean {
  if (credential === "visitor") return endpoint === "tunnel" || endpoint === "not_json";
  if (endpoint === "track" || endpoint === "validate_signature") return credential === "signature";
  return credential === "client" || credential === "bare";
}
