/**
 * Every way in which something can fail, with what the two kinds of peer are told: an HTTP status (RFC 9110 section 15)
 * and a WebSocket close code (RFC 6455 section 7.4.1; 4000-4999 are ours). docs/errors.md lists this table.
 */
type Failure = {
  readonly status: number;
  readonly closeCode: number;
  /** One sentence for a person: what happened, and where it helps what to do. */
  readonly title: string;
  /** Seconds after which asking again makes sense; null where it does not. */
  readonly retryAfterSeconds: number | null;
};

function failure(
  status: number,
  closeCode: number,
  title: string,
  retryAfterSeconds: number | null = null,
): Failure {
  return { status, closeCode, title, retryAfterSeconds };
}

export const FAILURES = {
  unauthorized: failure(401, 1008, "A valid token is required."),
  revoked: failure(401, 1008, "The token was revoked, or has expired."),
  bad_request: failure(400, 1008, "The request cannot be understood."),
  not_json: failure(400, 1007, "The MoosicBox protocol carries JSON bodies and messages only."),
  already_registered: failure(409, 1008, "The client id is registered already."),
  name_taken: failure(409, 1008, "The home has a token of that name."),
  magic_token_taken: failure(409, 1008, "The magic token is taken or has run out: make another one."),
  method_not_allowed: failure(405, 1008, "This path does not take that method."),
  upgrade_required: failure(426, 1008, "This path takes WebSocket connections only."),
  not_text: failure(400, 1003, "Visitor sockets carry text messages only."),
  request_timeout: failure(408, 1008, "The request stopped coming."),
  cross_site: failure(403, 1008, "The form was not sent from a page of this home."),
  expectation_failed: failure(417, 1008, "The server meets no expectation but 100-continue."),
  version_not_supported: failure(505, 1008, "The server speaks HTTP/1.0 and HTTP/1.1 only."),
  agent_not_connected: failure(424, 1013, "The home is not connected.", 5),
  agent_lost: failure(502, 1012, "The connection to the home was lost before it answered."),
  agent_protocol: failure(502, 1002, "The home's answer broke the tunnel protocol."),
  agent_gave_up: failure(502, 1011, "The home's service broke off its answer."),
  upgrade_unsupported: failure(501, 1011, "The home's agent carries no WebSocket of this kind."),
  peer_unreachable: failure(502, 1012, "The node that has the home cannot be reached.", 5),
  peer_lost: failure(502, 1012, "The connection to the node that has the home was lost before it answered."),
  peer_protocol: failure(502, 1002, "Where the node should be that has the home, something else answers."),
  peer_refused: failure(
    502,
    1011,
    "The node that has the home does not take this one for a node of its cluster.",
  ),
  not_a_peer: failure(403, 1008, "Only nodes of this cluster are served here, and this request is none's."),
  misdirected: failure(421, 1012, "The home is not at this node."),
  response_timeout: failure(504, 1008, "The home did not answer in time."),
  registry_down: failure(503, 1013, "The server cannot reach its database.", 5),
  draining: failure(503, 1001, "The server is shutting down.", 5),
  superseded: failure(409, 4001, "A newer tunnel of the same client id took over."),
  already_linked: failure(409, 1008, "The agent has a tunnel to this node already."),
  silent: failure(504, 4002, "The peer has been silent for too long."),
  limit_request_body: failure(413, 1009, "The request body is larger than the tunnel takes."),
  limit_request_headers: failure(431, 1009, "The request's head is larger than the server takes."),
  limit_response_headers: failure(502, 1009, "The home's response headers are larger than the server takes."),
  limit_response_buffer: failure(502, 1009, "The response is larger than the response buffer."),
  limit_slow_visitor: failure(502, 1013, "The visitor reads too slowly for what the home sends."),
  limit_slow_agent: failure(502, 1013, "The home reads too slowly for what is sent to it."),
  limit_guesses: failure(429, 1008, "Too many wrong credentials came from this address.", 30),
  limit_passwords: failure(503, 1013, "Too many passwords are being checked.", 1),
  limit_address: failure(429, 1013, "This address has as many requests in flight as it may.", 1),
  limit_exchanges: failure(503, 1013, "The server has too many requests in flight.", 1),
  limit_tunnel_exchanges: failure(429, 1013, "The home has too many requests in flight.", 1),
  limit_handshakes: failure(503, 1013, "More agents come at once than the server can answer in time.", 2),
  limit_tunnels: failure(503, 1013, "The server holds as many tunnels as it takes.", 30),
  limit_visitor_sockets: failure(503, 1013, "The server holds as many visitor sockets as it takes.", 30),
  limit_registry_calls: failure(503, 1013, "Too many calls to the database are waiting.", 1),
  limit_visitor_tokens: failure(409, 1008, "The home has as many visitor tokens as it may: revoke some."),
  limit_message: failure(413, 1009, "The message is larger than the server takes."),
} as const satisfies Record<string, Failure>;

export type FailureCode = keyof typeof FAILURES;

/** How an exchange can end. */
export type ExchangeOutcome = "completed" | "visitor_left" | FailureCode;

export const FAILURE_CODES = Object.keys(FAILURES) as readonly FailureCode[];

export function failureOf(code: FailureCode): Failure {
  return FAILURES[code];
}
