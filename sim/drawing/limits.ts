/**
 * Limits and deadlines for one run. Deadlines are drawn short, so that a minute of virtual time meets them all; sizes
 * small, so that a few hundred kilobytes do. A calm run gets no limit that its ordinary work would reach.
 */
import { type AgentLimits, agentLimits, type ServerLimits, serverLimits } from "../../core/limits.ts";
import type { SessionLimits } from "../../core/session/limits.ts";
import type { Random } from "../tools/random.ts";

const KIB = 1024;

export function drawServerLimits(random: Random, calm: boolean): ServerLimits {
  const pingMs = random.between(1_000, 5_000);
  const registryCallMs = random.between(500, 2_000);
  const tokenFreshMs = random.pick([0, 200, 2_000, 5_000]);
  const leaseMs = random.between(10_000, 60_000);
  const drawn: ServerLimits = {
    ...serverLimits,
    requestBodyBytesMax: random.between(64 * KIB, 512 * KIB),
    tunnelMessageBytesMax: random.pick([1024 * KIB, 16_384 * KIB]),
    pauseMsMax: random.between(50, 1_000),
    visitorQuestionsMax: random.skewed(4, 256),
    // Only a pause, so ordinary work may reach it.
    heldBytesSoft: random.pick([1 * KIB, 16 * KIB, 128 * KIB, 4096 * KIB]),
    abortedIdsMax: random.skewed(1, 256),
    trustedTokensMax: random.skewed(1, 1_000),
    tokenFreshMs,
    tokenTrustMs: tokenFreshMs + random.pick([0, 1_000, 10_000, 60_000]),
    registryCallMs,
    registryVisitorMs: registryCallMs + random.below(3_000),
    registryTunnelMs: registryCallMs + random.below(15_000),
    registryRetryMs: random.between(50, 500),
    leaseMs,
    leaseRenewMs: Math.floor(leaseMs / random.between(2, 5)),
    sweepMs: random.between(20_000, 600_000),
    signatureTokenLifetimeMs: random.chance(1, 3)
      ? random.between(20_000, 120_000)
      : serverLimits.signatureTokenLifetimeMs,
    pingMs,
    silenceMs: pingMs + random.between(2_000, 8_000),
    stallMs: random.between(200, 2_000),
    handshakeMs: random.between(3_000, 10_000),
    waitMs: random.pick([random.between(200, 3_000), random.between(3_000, 10_000)]),
    exchangeIdleMs: random.between(10_000, 25_000),
    agentNoticeMs: random.below(3_000),
    drainMs: random.between(1_000, 10_000),
  };
  const session = drawSessionLimits(random.stream("session"), calm);
  const native = {
    ...session,
    graceMs: random.stream("grace").pick([1_000, 5_000, 15_000]),
    continueMs: random.stream("continue").between(100, 1_500),
  };
  const slices = { leaseRowsMax: random.stream("slices").pick([1, 2, 500]) };
  const unready = { unreadyMs: random.stream("unready").pick([0, 0, 500, 2_000]) };
  const sessions = random.stream("sign-ins");
  const signIns = sessions.chance(1, 2) ? {} : { sessionLifetimeMs: sessions.between(2, 20) * 1_000 };
  const whole = { ...drawn, ...native, ...slices, ...unready, ...signIns };
  return calm || random.chance(2, 3) ? whole : { ...whole, ...drawTight(random) };
}

/** The same limits are drawn for either end, each with its own. */
function drawSessionLimits(random: Random, calm: boolean): SessionLimits {
  const least = calm ? 16 * KIB : 2 * KIB;
  const windowBytesMin = random.skewed(least, 64 * KIB);
  const drawnBytes = windowBytesMin + (random.chance(1, 3) ? 0 : random.skewed(1, 256 * KIB));
  // Most that are drawn so are hardly above the least, where nobody sees what a budget does.
  const wide = random.stream("wide window");
  const windowBytes = wide.chance(1, 2) ? windowBytesMin + wide.between(16 * KIB, 256 * KIB) : drawnBytes;
  return {
    windowBytesMin,
    windowBytes,
    windowBytesMax: windowBytes + (random.chance(1, 3) ? 0 : random.skewed(1, 4096 * KIB)),
    // The second is room for one that grows, and not for all that it would grow by.
    tunnelWindowBytes: random.pick([windowBytes, Math.floor(windowBytes * 1.5), 1024 * KIB, 64 * 1024 * KIB]),
    readerBytes: random.stream("reader").pick([64 * KIB, 256 * KIB, 5 * 1024 * KIB]),
    socketBytesMax: random.pick([2 * KIB, 16 * KIB, 256 * KIB]),
    frameBytesMax: random.pick([512, 4 * KIB, 64 * KIB]),
    queueBytesMax: random.pick([0, 4 * KIB, 128 * KIB]),
    tunnelQueueBytes: random.stream("queues").pick([0, 64 * KIB, 8 * 1024 * KIB]),
    ackDelayMs: random.pick([0, 25, 100]),
    helloMs: random.between(2_000, 10_000),
    interimsMax: random.pick([1, 4, 16]),
  };
}

/** Each of these is reached by ordinary work now and then. */
function drawTight(random: Random): Partial<ServerLimits> {
  const heldBytesHard = random.skewed(16 * KIB, 1024 * KIB);
  const heldBytesTotal = heldBytesHard + (random.chance(1, 2) ? 0 : random.below(1024 * KIB));
  return {
    // Never fewer than there are homes: all of them must come back after the healing.
    tunnelsMax: random.between(5, 8),
    visitorSocketsMax: random.skewed(1, 8),
    exchangesMax: random.skewed(4, 64),
    tunnelExchangesMax: random.skewed(1, 32),
    waitingMax: random.stream("waiting").skewed(1, 32),
    responseHeaderBytesMax: random.skewed(512, 8 * KIB),
    visitorMessageBytesMax: random.skewed(16, 16 * KIB),
    parkedPacketsMax: random.skewed(1, 64),
    parkedBytesMax: random.skewed(1_024, heldBytesHard),
    heldBytesSoft: random.skewed(0, heldBytesHard),
    heldBytesHard,
    heldBytesTotal,
    responseBufferBytesMax: random.chance(1, 2) ? heldBytesTotal : random.skewed(1_024, heldBytesTotal),
    registryCallsMax: random.skewed(6, 64),
    ...drawLine(random.stream("line")),
    ...drawSending(random),
    visitorSendBytesMax: random.skewed(512, 64 * KIB),
  };
}

/** A few handshakes are more than come in at a time. */
function drawLine(
  random: Random,
): Pick<
  ServerLimits,
  | "handshakesMax"
  | "handshakesStrangersMax"
  | "handshakesRunningMax"
  | "handshakesPerTick"
  | "handshakeLineMs"
> {
  const handshakesMax = random.skewed(1, 16);
  return {
    handshakesMax,
    handshakesStrangersMax: random.between(1, handshakesMax),
    handshakesRunningMax: random.between(1, 4),
    handshakesPerTick: random.between(1, 4),
    handshakeLineMs: random.between(100, 3_000),
  };
}

/** What waits for an agent that does not read: a request body has to fit. */
function drawSending(random: Random): Pick<ServerLimits, "requestBodyBytesMax" | "tunnelSendBytesMax"> {
  const requestBodyBytesMax = random.skewed(2 * KIB, 64 * KIB);
  return { requestBodyBytesMax, tunnelSendBytesMax: requestBodyBytesMax + random.skewed(1, 8 * KIB) };
}

export function drawAgentLimits(random: Random, calm: boolean): AgentLimits {
  const pingMs = random.between(1_000, 5_000);
  const sendBytesHigh = random.skewed(4 * KIB, 1024 * KIB);
  const retryMs = random.between(1_000, 5_000);
  return {
    ...agentLimits,
    ...drawSessionLimits(random.stream("session"), calm),
    exchangesMax: calm || random.chance(5, 6) ? agentLimits.exchangesMax : random.skewed(1, 8),
    abortsPerSecondMax: calm || random.chance(5, 6) ? agentLimits.abortsPerSecondMax : random.skewed(1, 4),
    packetFillMs: random.between(0, 5),
    sendBytesHigh,
    sendBytesLow: random.below(sendBytesHigh),
    originIdleMs: random.pick([random.between(5_000, 8_000), random.between(8_000, 25_000)]),
    // Shorter than any service here keeps a connection: what is longer loses a request to its end now and then.
    originKeptMs: random.stream("kept").pick([0, 500, 1_500]),
    originHeadBytesMax: random.stream("head").pick([4 * KIB, 64 * KIB]),
    apiCallMs: random.between(3_000, 10_000),
    connectMs: random.between(3_000, 10_000),
    pingMs,
    silenceMs: pingMs + random.between(3_000, 8_000),
    stallMs: random.between(200, 2_000),
    retryMs,
    retryDownMs: retryMs + random.below(15_000),
    retrySupersededMs: random.between(2_000, 18_000),
    retryResetMs: random.between(1_000, 5_000),
    drainMs: random.chance(1, 3) ? random.between(100, 1_000) : random.between(1_000, 10_000),
  };
}
