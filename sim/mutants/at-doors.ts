/** Mistakes in who gets in, what he may take, who owns a home, and how nodes and links come and go. */
import { type Mutant, mutant } from "./mutant.ts";

export const MUTANTS_AT_DOORS: readonly Mutant[] = [
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
    "PB67",
    "the session of a second link is given the ticket of the first one",
    "what opens a door is shown at that door alone",
    ["own_tickets"],
  ),
  mutant(
    "PB68",
    "an agent that dials again does not say where it has links, and loses the one to a node that it meets twice",
    "to look for more costs nothing that is there",
    ["links_kept"],
  ),
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
