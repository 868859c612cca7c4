/** The answers that the agent gives by itself, where the origin did not or must not. */
import type { OriginFault } from "../events.ts";
import { type ProblemResponse, prefersHtml, renderProblem } from "../http/problem.ts";
import type { WireId } from "../wire/packet.ts";

type Answer = {
  readonly status: number;
  readonly title: string;
  readonly retryAfterSeconds: number | null;
};

function answer(status: number, title: string, retryAfterSeconds: number | null = null): Answer {
  return { status, title, retryAfterSeconds };
}

/** The agent's part of the error codes; those that the server has too mean the same there. */
export const AGENT_PROBLEMS = {
  bad_request: answer(400, "The request cannot be given to the home's service."),
  draining: answer(503, "The home's agent is shutting down.", 5),
  limit_exchanges: answer(503, "The home's agent has too many requests in flight.", 1),
  limit_aborts: answer(503, "Too many requests to the home were given up before an answer.", 1),
  limit_response_headers: answer(502, "The response headers of the home's service do not fit a packet."),
  limit_set_cookie: answer(502, "The MoosicBox protocol carries one set-cookie header at most."),
  no_origin: answer(404, "The home has no service for this path."),
  origin_refused: answer(502, "The home's service refuses connections: it may not be running."),
  origin_name_not_resolved: answer(502, "The name of the home's service cannot be resolved."),
  origin_tls_invalid: answer(502, "The certificate of the home's service is not valid."),
  origin_connect_timeout: answer(504, "The home's service could not be reached in time."),
  origin_broken: answer(502, "The home's service broke off its answer."),
  origin_head_too_large: answer(502, "The headers of the home's service are larger than the agent takes."),
  origin_malformed: answer(502, "The home's service did not answer in valid HTTP."),
  origin_handshake: answer(
    502,
    "The home's service did not take the WebSocket handshake as RFC 6455 has it.",
  ),
  origin_timeout: answer(504, "The home's service did not answer in time."),
} as const satisfies Record<string, Answer> & Record<`origin_${OriginFault}`, Answer>;

export type AgentProblem = keyof typeof AGENT_PROBLEMS;

/** What the answer is about. */
export type ProblemOccasion = {
  /** What was special, null where nothing was. */
  readonly detail: string | null;
  readonly requestId: WireId;
  /** The visitor's: a browser gets a page. */
  readonly accept: string | null;
  readonly docsUrl: string | null;
};

export function agentProblem(code: AgentProblem, occasion: ProblemOccasion): ProblemResponse {
  const { detail, requestId, accept, docsUrl } = occasion;
  const { status, title, retryAfterSeconds } = AGENT_PROBLEMS[code];
  const problem = {
    status,
    code,
    title,
    detail,
    // A JSON number cannot hold more; such an id is another server's, and its visitor does not need it.
    requestId: typeof requestId === "number" ? requestId : null,
    retryAfterSeconds,
    docsUrl,
  };
  return renderProblem(problem, accept !== null && prefersHtml(["accept", accept]));
}
