/**
 * The planted bugs: each a patch of `core/` in `mutants/`, one plausible mistake, and what has to notice it. They are
 * applied to scratch copies only; a simulator that finds none of them proves nothing by being green.
 */

export type Mutant = {
  /** Name of its patch. */
  readonly id: string;
  readonly mistake: string;
  /** The invariants that it breaks, in words. */
  readonly kind: string;
  /** The checkers that state them. Anything else that goes off is a wrong alarm, and no find. */
  readonly shownBy: readonly string[];
};

export const MUTANTS: readonly Mutant[] = [
  mutant(
    "PB01",
    "the packet that exactly fills the parking place is dropped",
    "byte-exact delivery, or the request ends by its deadline",
    ["delivered", "body_prefix", "clean_end", "deadlines", "unharmed"],
  ),
  mutant(
    "PB02",
    "on disconnect the row goes by client id, whoever owns it now",
    "one live owner; the owner stays reachable",
    ["one_owner", "rows_true"],
  ),
  mutant(
    "PB03",
    "a second last packet ends the stream again, and counts its end twice",
    "one outcome; counters equal the counted sets",
    ["outcome_once", "counters", "live_things"],
  ),
  mutant(
    "PB04",
    "a packet without a byte is taken for the end of the stream",
    "no clean end on a short body",
    ["clean_end", "delivered"],
  ),
  mutant(
    "PB05",
    "a visitor who leaves frees the server's part, and the agent is told nothing",
    "an abort reaches the agent",
    ["abort_sent", "quiescence"],
  ),
  mutant(
    "PB06",
    "what is parked at an abort stays until the tunnel is closed",
    "bounded memory; zero at quiescence",
    ["held_bytes", "quiescence"],
  ),
  mutant(
    "PB07",
    "a packet for an exchange that has ended begins a fresh one",
    "effects name live things; zero at quiescence",
    ["live_things", "counters", "quiescence"],
  ),
  mutant(
    "PB08",
    "an exchange's deadline is not cancelled with its last packet",
    "no timer without an owner; no second outcome",
    ["timers_owned", "outcome_once"],
  ),
  mutant(
    "PB09",
    "a token that could not be looked up passes",
    "nothing before authorization; an error grants nothing",
    ["granted", "authorized"],
  ),
  mutant(
    "PB10",
    "a row whose write was not confirmed is inserted anew, and its own unique key refuses it",
    "every healthy agent is connected again",
    ["refused_rightly", "recovers", "returns_in_time", "rows_true", "own_fence"],
  ),
  mutant("PB11", "a ping that is sent counts as a sign of life", "half-open peers are dropped in time", [
    "heartbeat",
    "deadlines",
  ]),
  mutant(
    "PB12",
    "a packet that comes twice is dropped, and its bytes stay counted",
    "bytes are conserved; a healthy request succeeds",
    ["held_bytes", "unharmed"],
  ),
  mutant(
    "PB13",
    "status and headers are those of whichever packet comes first",
    "status and headers equal the model",
    ["head_once", "clean_end"],
  ),
  mutant("PB14", "a body whose agent is lost is ended as if it were whole", "no clean end on a short body", [
    "clean_end",
    "delivered",
  ]),
  mutant(
    "PB15",
    "the wait before a reconnect grows with each loss and never starts anew",
    "an agent reconnects within its bound",
    ["returns_in_time", "recovers"],
  ),
  mutant(
    "PB16",
    "credit that was given and is not used counts as held",
    "what one exchange gets does not depend on idle others",
    ["native_flow"],
  ),
  mutant(
    "PB17",
    "what is ordered for a later exchange of a visitor's connection is not held back",
    "answers in the order of a connection's requests",
    ["in_turn", "well_formed", "taint", "head_once"],
  ),
  mutant(
    "PB20",
    "what comes on an idle connection to a home is left for the next request",
    "an answer reaches who asked",
    ["answers_own", "distrust"],
  ),
  mutant(
    "PB21",
    "a connection is kept although its answer came before the request had left",
    "what a home is told is HTTP",
    ["asked_rightly", "one_at_a_time"],
  ),
  mutant(
    "PB22",
    "any request without a body is sent once more when a kept connection breaks",
    "an unsafe request is made once",
    ["at_most_once_at_home"],
  ),
  mutant(
    "PB23",
    "a connection that breaks ends the body that only its end would have ended",
    "a part is not the whole",
    ["answers_own", "clean_end"],
  ),
  mutant("PB24", "a visitor's end of a WebSocket ends both its sides", "each side ends by itself", [
    "unharmed",
    "delivered",
    "clean_end",
  ]),
  mutant("PB25", "a connection is kept that has somebody's login", "nobody speaks in another's name", [
    "bound_logins",
  ]),
  mutant("PB26", "what comes behind an answer is left for the next request", "an answer reaches who asked", [
    "answers_own",
  ]),
  mutant(
    "PB27",
    "a switch of protocols is taken that nobody asked for",
    "only what was asked for is switched",
    ["switched_as_asked"],
  ),
  mutant(
    "PB28",
    "a connection that ends ends a body that is not as long as it says",
    "a part is not the whole",
    ["answers_own", "clean_end"],
  ),
  mutant("PB29", "what comes behind a visitor's last request is kept", "nothing is kept that is nobody's", [
    "surplus_dropped",
  ]),
  mutant(
    "PB30",
    "an answer that says it is the last one leaves its connection open for requests",
    "no request behind the last answer",
    ["last_answer"],
  ),
  mutant(
    "PB31",
    "a connection is used again as soon as it is read again",
    "what came before a request is no answer to it",
    ["late_resumed"],
  ),
  mutant(
    "PB32",
    "connections are kept to an origin that said what nobody asked",
    "an answer reaches who asked",
    ["distrust"],
  ),
  mutant(
    "PB33",
    "a connection is kept for longer than its origin announces",
    "nothing is asked where the origin is about to leave",
    ["announced"],
  ),
  mutant("PB34", "a body is passed on that is shorter than its length", "a part is not the whole", [
    "clean_end",
    "delivered",
    "well_formed",
  ]),
  mutant(
    "PB36",
    "who waits for a home stays where he is when a native agent is back",
    "who waits for a home goes out when it is back",
    ["home_reached"],
  ),
  mutant(
    "PB40",
    "a tunnel that is closed as revoked leaves its session for its agent to resume",
    "a revoked credential does nothing after its bound",
    ["revoked"],
  ),
  mutant(
    "PB41",
    "strangers who take no answer share the visitors' room",
    "a visitor is served whatever strangers do",
    ["room_taken", "unharmed"],
  ),
  mutant(
    "PB42",
    "a visitor who leaves an upload that nobody reads is noticed by its deadline only",
    "a visitor who left is gone within the bound",
    ["left_unread"],
  ),
  mutant(
    "PB43",
    "a signature opens a tunnel of a home whose agent is Culvert's own",
    "a credential opens its own door and no other",
    ["one_door", "granted"],
  ),
  mutant("PB44", "a visitor token connects an agent", "a credential opens its own door and no other", [
    "one_door",
    "granted",
  ]),
  mutant(
    "PB45",
    "a home that is away is taken for one that is unknown, whatever is remembered of it",
    "a 401 is for a credential that was looked at",
    ["looked_at", "good_stays_good", "unharmed"],
  ),
  mutant(
    "PB46",
    "who waited at the door of a home is let in when it is back, without having been looked at",
    "nothing before authorization",
    ["mode_kept", "granted", "authorized"],
  ),
  mutant(
    "PB47",
    "agents are told that their server leaves when its listener is closed",
    "who leaves says so first; nobody sees a planned restart",
    ["drain_told", "restarts_unseen"],
  ),
  mutant(
    "PB48",
    "the session of a second link is given the first one's ticket",
    "a session is taken up by its own ticket alone",
    ["own_tickets"],
  ),
  mutant(
    "PB49",
    "an agent that is told anew who may visit stays on the tunnel that said something else",
    "who may visit is what was said last",
    ["settings_taken"],
  ),
  mutant(
    "PB51",
    "who is refused again and again asks as fast as answers come",
    "nobody takes the server's time from those it serves",
    ["paced"],
  ),
  mutant(
    "PB52",
    "who begins to measure a link never ends to, so that what may be under way never shrinks",
    "what may go first is not behind what is under way",
    ["link_near"],
  ),
  mutant(
    "PB53",
    "credit is given for what has come, whether the visitor has taken it or not",
    "credit is given only for what was really taken",
    ["credit_caused", "native_flow"],
  ),
  mutant("PB60", "the cookie of a sign-in reaches the home", "what opened the door is not passed on", [
    "request_intact",
  ]),
  mutant(
    "PB61",
    "the signature of a cookie is not looked at",
    "a token of one kind opens nothing of another",
    ["granted", "mode_kept", "authorized"],
  ),
  mutant(
    "PB62",
    "a request that cannot be repeated goes on a connection that may be closing",
    "an unsafe request is made once, and not lost",
    ["young_enough"],
  ),
  mutant(
    "PB63",
    "a server that wants to be left alone for a while is tried at once",
    "an agent does not hammer",
    ["returns_in_time"],
  ),
  mutant(
    "PB64",
    "a node that slept past its lease claims what lapsed as if its tunnels had just come",
    "the newest owner stays",
    ["own_fence"],
  ),
  mutant(
    "PB65",
    "a row of the registry that has led a request astray is followed again",
    "what was found to be stale is not gone by",
    ["hops"],
  ),
  mutant("PB66", "a request that came by another node is sent on to a third one", "one hop at most", [
    "hops",
  ]),
  mutant(
    "PB70",
    "a home is told whatever name it asks for, though that leads elsewhere",
    "a name leads to the home that was given it",
    ["name_told"],
  ),
  mutant(
    "PB71",
    "a visitor who leaves an upload that has stood still for long is noticed by its deadline only",
    "a visitor who left is gone within the bound",
    ["left_unread"],
  ),
  mutant(
    "PB74",
    "a certificate is made for any name below the domain",
    "no certificate for an unknown name",
    ["certified"],
  ),
  mutant(
    "PB75",
    "the cookie of a sign-in counts for a form of another page",
    "a cookie is honoured for the home's own pages",
    ["signed_in", "one_door", "granted", "mode_kept"],
  ),
  mutant(
    "PB76",
    "the cookie for a home below a path is for all homes",
    "a cookie is honoured for the home's own pages",
    ["signed_in"],
  ),
  mutant("PB77", "the cookie of a sign-in is never over", "nobody is let in longer than was said", [
    "signed_in",
  ]),
  mutant("PB78", "another page can sign somebody in or out", "a form is the home's own", ["signed_in"]),
  mutant("PB79", "a home sets the cookie of a sign-in", "what opens the door is the server's alone", [
    "signed_in",
  ]),
  mutant("PB80", "a home is told its visitor's name for it", "a home's fields agree on its name", [
    "places_named",
  ]),
];

function mutant(id: string, mistake: string, kind: string, shownBy: readonly string[]): Mutant {
  return { id, mistake, kind, shownBy };
}
