/** Mistakes in how bytes pass: packets, bodies, connections, and whom an answer reaches. */
import { type Mutant, mutant } from "./mutant.ts";

export const MUTANTS_IN_TRANSFER: readonly Mutant[] = [
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
];
