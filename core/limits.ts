/**
 * Every number that bounds something, with its reason. The server's and the agent's operators may change each; what must
 * hold between them is asserted when a machine is made. Bytes and milliseconds throughout.
 */
import { assert } from "./assert.ts";
import { assertEdgeLimits, edgeLimits } from "./edge/limits.ts";
import { assertPeerLimits, peerLimits } from "./server/peer/limits.ts";
import { assertSessionLimits, sessionLimits } from "./session/limits.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND = 1000;

export const serverLimits = {
  ...sessionLimits,
  ...edgeLimits,
  ...peerLimits,
  /** For this long a session waits for its agent to return. */
  graceMs: 30 * SECOND,
  /** For this long a request waits for a home that was lost a moment ago. */
  waitMs: 10 * SECOND,
  /** Of one client id. */
  waitingMax: 100,
  /** Of these, how many were not let in yet: the others of the home shall have room. */
  waitingStrangersMax: 75,
  /** For this long the registry is not asked again what it remembers of a home. */
  recallFreshMs: 2 * SECOND,
  /** What it said is kept of so many, the oldest forgotten first. */
  recalledHomesMax: 10_000,
  /** A visitor that expects `100 Continue` is told so after this time although the home said nothing. */
  continueMs: 1 * SECOND,
  /** Tunnels of one node. An idle one costs the server about 20 KiB. */
  tunnelsMax: 10_000,
  visitorSocketsMax: 10_000,
  /** Visitor requests that somebody works on. Those that only wait for their visitor to take an answer are not among them. */
  exchangesMax: 10_000,
  /** Answers that are out and were not taken. Beyond it the one that has waited longest is cut. */
  untakenMax: 5_000,
  /** An answer of at most so many bytes fits the buffers of any connection: who does not take it for `untakenMs` does not read. */
  shortAnswerBytes: 16 * KIB,
  untakenMs: 15 * SECOND,
  /** Of one tunnel, for visitors of one address (of IPv6: one network of 64 bits): the others of a home shall get in. */
  addressExchangesMax: 256,
  /** Handshakes at the door of one address, and requests there whose token is looked up. */
  addressStrangersMax: 64,
  /** Wrong credentials of one address that are looked up; one more every `guessMs`. */
  guessesMax: 100,
  guessMs: 1 * SECOND,
  /** For this long after its last use a right password is not checked again, which costs a good part of a second. */
  passwordFreshMs: 300 * SECOND,
  /** Checked at a time: each takes a core and 32 MiB, and those who are let in already need the other core. */
  passwordsRunningMax: 1,
  /** Checked and waiting for that, of all visitors and of one address. */
  passwordsMax: 64,
  addressPasswordsMax: 4,
  /** The form of a sign-in: a token, and the path that was asked for. Browsers and proxies end a target at 8 KiB. */
  signInBytesMax: 16 * KIB,
  /** Forms that are being read, of all visitors and of one address: they come in one piece, or from somebody who dawdles. */
  signInsMax: 64,
  addressSignInsMax: 8,
  /** For this long a browser stays signed in, unless its token is revoked. Who is here every month types it once a month. */
  sessionLifetimeMs: 30 * 24 * 3600 * SECOND,
  /** Addresses of which something is remembered, the oldest forgotten first. */
  addressesMax: 10_000,
  /** Of one tunnel: a home server on a small machine has enough with this. */
  tunnelExchangesMax: 1_000,
  /** A MoosicBox request is one JSON text frame, so its body is held whole. */
  requestBodyBytesMax: 4 * MIB,
  /** The headers of a response, as JSON in packet 1. Browsers and proxies stop well below. */
  responseHeaderBytesMax: 64 * KIB,
  /** One message from an agent: 64 KiB packets by default, text frames with JSON or base64 may be larger. */
  tunnelMessageBytesMax: 16 * MIB,
  /** One message from a visitor socket. */
  visitorMessageBytesMax: 1 * MIB,
  /** Packets that wait for an earlier one, per exchange, however far ahead their numbers are. */
  parkedPacketsMax: 1_024,
  parkedBytesMax: 16 * MIB,
  /** Above this an exchange's tunnel is paused, as long as nobody else waits for bytes from it. */
  heldBytesSoft: 4 * MIB,
  /** Above this a slow exchange is given up. */
  heldBytesHard: 32 * MIB,
  /** Held for all exchanges of the server; above it the largest holder is given up. */
  heldBytesTotal: 256 * MIB,
  /**
   * While the home has visitor sockets, a paused tunnel is read again for a moment this often, so that what is sent to them
   * unasked goes through; otherwise every `pingMs`, for the heartbeat.
   */
  pauseMsMax: 500,
  /** The response buffer of a blocking request. */
  responseBufferBytesMax: 64 * MIB,
  /** Not yet sent to one agent: it does not read. A request body and some more fit. */
  tunnelSendBytesMax: 16 * MIB,
  /**
   * Two MoosicBox agents with one client id would throw each other out for ever, since they come back at once. The second
   * takeover within this time leaves the older tunnel open and unused, as MoosicBox's own server does.
   */
  takeoverMs: 30 * SECOND,
  visitorSendBytesMax: 4 * MIB,
  /** The questions of one visitor socket that an answer can still find its way back to; the oldest is forgotten first. */
  visitorQuestionsMax: 256,
  /** Ended exchanges per tunnel for which the agent was told to stop a moment ago; one more is told nothing. */
  abortedIdsMax: 256,
  abortRepeatMs: 1 * SECOND,
  registryCallsMax: 2_048,
  /** Accepted tokens remembered, the oldest forgotten first. Refused ones are never remembered. */
  trustedTokensMax: 10_000,
  /** For this long an accepted token is not looked up again. */
  tokenFreshMs: 5 * SECOND,
  /** For this long an accepted token still opens the door while the registry is down. */
  tokenTrustMs: 60 * SECOND,
  /** One call to the registry. A healthy one answers in milliseconds. */
  registryCallMs: 2 * SECOND,
  /** A visitor waits this long for a registry that fails before it is told so. */
  registryVisitorMs: 4 * SECOND,
  /** An agent's handshake waits longer: it would only come back. */
  registryTunnelMs: 15 * SECOND,
  registryRetryMs: 250,
  leaseMs: 60 * SECOND,
  /** With it the tokens in use are checked again: with a call's time it is the bound on how late a revocation takes effect. */
  leaseRenewMs: 15 * SECOND,
  /** Rows whose leases one call renews: 10,000 in one go would hold up everybody at a SQLite registry for 20 to 50 ms, these for 1. */
  leaseRowsMax: 500,
  sweepMs: 600 * SECOND,
  /**
   * A token that expired stays for so long: a tunnel that its signature opened lives on, and would be taken for revoked without
   * it. Agents that connect less often than that lose their tunnel for a moment.
   */
  expiredKeptMs: 30 * 24 * 3600 * SECOND,
  signatureTokenLifetimeMs: 14 * 24 * 3600 * SECOND,
  pingMs: 5 * SECOND,
  /** A socket that was silent for this long is dropped (protocol-moosicbox.md, Heartbeat). */
  silenceMs: 10 * SECOND,
  /** A tick later than this says that the process was stalled, so that silence proves nothing. */
  stallMs: 1 * SECOND,
  /**
   * Handshakes that wait for the registry to be asked about them. A small machine answers thousands in a second; who has been
   * here a moment ago has room beside strangers.
   */
  handshakesMax: 5_000,
  handshakesStrangersMax: 4_000,
  /** The registry is asked about so many at a time: visitors' calls have room beside them. */
  handshakesRunningMax: 256,
  /** Begun in one turn of the loop: everybody else waits for a few milliseconds. */
  handshakesPerTick: 16,
  /** Where the first in line has waited for so long, who comes is sent away: agents give up after 10 seconds. */
  handshakeLineMs: 3 * SECOND,
  /** A handshake from the accepted upgrade to the open socket. */
  handshakeMs: 10 * SECOND,
  /**
   * An exchange in which nothing moves for so long is given up, whoever is waited for: a home that has not begun its answer or
   * makes a pause in it, a visitor who makes one in his upload or takes nothing. Long enough for long polls, for slow exports
   * and for event streams that rarely speak. The welcome tells it to native agents. A silent WebSocket is not given up:
   * `probeMs` finds out who has left.
   */
  exchangeIdleMs: 300 * SECOND,
  /** For this long beyond it a home is waited for: its agent keeps the same time, and can say what was the matter. */
  agentNoticeMs: 10 * SECOND,
  /**
   * A process that was asked to stop looks for so long whether its agents move to another one, and serves meanwhile: some tries of an
   * agent fit, of which each second one comes to the process that leaves where both share an address.
   */
  leaveMs: 2 * SECOND,
  /**
   * For so long at least it takes in whoever comes, though its agents have moved: a balancer in front needs some health checks to
   * notice, and sends visitors meanwhile. One that came as the listener was closed would be reset.
   */
  unreadyMs: 0,
  /** What lasts is cut so long after the process was asked to stop: Docker kills after ten seconds. */
  drainMs: 8 * SECOND,
};

/** What is armed again each time it fires. */
const SERVER_PERIODS = [
  "pingMs",
  "leaseRenewMs",
  "sweepMs",
  "pauseMsMax",
  "registryRetryMs",
  "exchangeIdleMs",
] as const;

/**
 * What may be changed while a server runs: what is looked at anew each time that it matters. The others are built into what is
 * there, told to agents, or held against what is there already.
 */
export const LIVE_SERVER_LIMITS: ReadonlySet<string> = new Set<keyof typeof serverLimits>([
  "waitMs",
  "waitingMax",
  "waitingStrangersMax",
  "recallFreshMs",
  "continueMs",
  "tunnelsMax",
  "visitorSocketsMax",
  "exchangesMax",
  "addressExchangesMax",
  "addressStrangersMax",
  "guessesMax",
  "guessMs",
  "passwordFreshMs",
  "sessionLifetimeMs",
  "takeoverMs",
  "tokenFreshMs",
  "tokenTrustMs",
  "signatureTokenLifetimeMs",
  "expiredKeptMs",
  "drainMs",
]);

export type ServerLimits = { readonly [Name in keyof typeof serverLimits]: number };

export function assertServerLimits(limits: ServerLimits): void {
  assertSessionLimits(limits);
  for (const [name, value] of Object.entries(limits)) {
    assert(Number.isSafeInteger(value) && value >= 0, `${name} is not a whole number of at least 0`);
  }
  assertEdgeLimits(limits);
  assertPeerLimits(limits);
  for (const name of SERVER_PERIODS) {
    assert(limits[name] >= 1, `${name} is 0: the server would never come to rest`);
  }
  assert(
    limits.probeMs >= 1 * SECOND && limits.probeMs <= 32_767 * SECOND,
    "probeMs is not from 1 second to 32,767, which is what Linux takes",
  );
  assert(
    limits.handshakesRunningMax >= 1 && limits.handshakesPerTick >= 1,
    "handshakesRunningMax or handshakesPerTick is 0: nobody would ever be let in",
  );
  assert(limits.passwordsRunningMax >= 1, "passwordsRunningMax is 0: no password would ever be checked");
  assert(limits.heldBytesSoft <= limits.heldBytesHard, "heldBytesSoft is above heldBytesHard");
  assert(limits.heldBytesHard <= limits.heldBytesTotal, "heldBytesHard is above heldBytesTotal");
  assert(limits.parkedBytesMax <= limits.heldBytesHard, "parkedBytesMax is above heldBytesHard");
  assert(
    limits.responseBufferBytesMax <= limits.heldBytesTotal,
    "responseBufferBytesMax is above heldBytesTotal",
  );
  assert(limits.pauseMsMax <= 1_000, "pauseMsMax would let a neighbour wait longer than a second");
  assert(limits.pingMs < limits.silenceMs, "pingMs is not below silenceMs: healthy sockets would be dropped");
  assert(limits.leaseRenewMs * 2 <= limits.leaseMs, "a lease must survive one missed renewal");
  assert(limits.leaseRowsMax >= 1, "leaseRowsMax is 0: no lease would ever be renewed");
  assert(limits.registryCallMs <= limits.leaseRenewMs, "a renewal would be asked for beside the one before");
  assert(limits.tokenFreshMs <= limits.tokenTrustMs, "tokenFreshMs is above tokenTrustMs");
  assert(limits.registryCallMs <= limits.registryVisitorMs, "registryCallMs is above registryVisitorMs");
  assert(
    limits.requestBodyBytesMax < limits.tunnelSendBytesMax,
    "a request body would not fit a tunnel's send buffer",
  );
}

export const agentLimits = {
  ...sessionLimits,
  exchangesMax: 1_000,
  /** Requests taken back before their origin has answered; beyond, new ones are refused for a moment. */
  abortsPerSecondMax: 500,
  /** A packet with its header (protocol-moosicbox.md, Agent to server: binary frames). */
  packetBytesMax: 64 * KIB,
  /** A bulk response's short remainder waits this long to fill its packet. */
  packetFillMs: 2,
  /** One message from the server; a request frame carries a whole JSON body. */
  tunnelMessageBytesMax: 16 * MIB,
  /** Not yet sent: above high no origin is read, below low they are again. A few packets keep the link busy. */
  sendBytesHigh: 1 * MIB,
  sendBytesLow: 256 * KIB,
  /** The server's `exchangeIdleMs` where it does not tell it: over MoosicBox's protocol, and before version 0.2. */
  originIdleMs: 300 * SECOND,
  /**
   * An idle connection to a service is kept for so long: less than the 2 seconds after which gunicorn closes its own, and a
   * service that serves one connection at a time waits for it. 0 keeps none.
   */
  originKeptMs: 1_500,
  /** The head of a service's response, and its trailers: what the server takes of them. */
  originHeadBytesMax: 64 * KIB,
  apiCallMs: 10 * SECOND,
  connectMs: 10 * SECOND,
  pingMs: 5 * SECOND,
  silenceMs: 12 * SECOND,
  stallMs: 1 * SECOND,
  /** Backoff for a server that answers, and for one that does not. */
  retryMs: 5 * SECOND,
  retryDownMs: 30 * SECOND,
  /** After `superseded`: somebody else runs with the same client id, so hurry only hurts both. */
  retrySupersededMs: 30 * SECOND,
  /** A connection that lived this long was a success: the next loss retries soon. */
  retryResetMs: 5 * SECOND,
  /** As the server's: Docker kills after ten seconds. */
  drainMs: 8 * SECOND,
};

const AGENT_PERIODS = [
  "pingMs",
  "apiCallMs",
  "connectMs",
  "originIdleMs",
  "retryMs",
  "retryDownMs",
  "retrySupersededMs",
] as const;

/** As of the server. */
export const LIVE_AGENT_LIMITS: ReadonlySet<string> = new Set<keyof typeof agentLimits>([
  "apiCallMs",
  "originIdleMs",
  "retryMs",
  "retryDownMs",
  "retrySupersededMs",
  "retryResetMs",
  "drainMs",
]);

export type AgentLimits = { readonly [Name in keyof typeof agentLimits]: number };

export function assertAgentLimits(limits: AgentLimits): void {
  assertSessionLimits(limits);
  for (const [name, value] of Object.entries(limits)) {
    assert(Number.isSafeInteger(value) && value >= 0, `${name} is not a whole number of at least 0`);
  }
  for (const name of AGENT_PERIODS) {
    assert(limits[name] >= 1, `${name} is 0: the agent would never come to rest`);
  }
  assert(limits.abortsPerSecondMax >= 1, "abortsPerSecondMax is 0: no origin would ever be asked");
  assert(limits.packetBytesMax >= 1 * KIB, "packetBytesMax leaves no room for a packet header");
  assert(
    limits.originHeadBytesMax >= 1 * KIB && limits.originHeadBytesMax <= 1 * MIB,
    "originHeadBytesMax is not from 1 KiB to 1 MiB",
  );
  assert(limits.sendBytesLow < limits.sendBytesHigh, "sendBytesLow is not below sendBytesHigh");
  assert(limits.pingMs < limits.silenceMs, "pingMs is not below silenceMs");
  assert(limits.retryMs <= limits.retryDownMs, "retryMs is above retryDownMs");
}
