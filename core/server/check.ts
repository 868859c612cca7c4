/** What must hold in every state between two steps. The simulator checks it after each. */
import { assert } from "../assert.ts";
import { queueLength } from "../queue.ts";
import { checkSession } from "../session/check.ts";
import { heldBytes } from "../session/state.ts";
import { isArmed } from "../timers.ts";
import { servesHomes } from "./owner/homes.ts";
import { DUTY_CALLS_MAX } from "./registry/calls.ts";
import type { Exchange } from "./state/exchange.ts";
import type { ServerState } from "./state/server.ts";
import type { Carried, MoosicBoxCarried, Socket, Tunnel, TunnelSession } from "./state/tunnels.ts";

export function checkServer(state: ServerState): void {
  let heldBytes = 0;
  state.exchanges.forEach((exchange) => {
    checkExchange(state, exchange);
    heldBytes += exchange.heldBytes;
  });
  assert(heldBytes === state.heldBytes, "the server's held bytes are not the sum of its exchanges'");
  assert(
    heldBytes <= state.config.limits.heldBytesTotal + OWN_ANSWERS_MAX,
    "the server holds more than its total",
  );
  let tunnels = 0;
  let visitorSockets = 0;
  let questions = 0;
  for (const socket of state.sockets.values()) {
    checkSocket(state, socket);
    if (socket.kind === "visitor") questions += socket.questions.size;
    if (!socket.admitted) continue;
    if (socket.kind === "tunnel") tunnels++;
    else visitorSockets++;
  }
  assert(tunnels === state.tunnels, "the count of tunnels is not their number");
  assert(visitorSockets === state.visitorSockets, "the count of visitor sockets is not their number");
  assert(questions === state.questions.size, "a question is kept for a visitor socket that is gone");
  checkHomes(state);
  let sessionBytes = 0;
  for (const [clientId, session] of state.sessions) {
    checkTunnelSession(state, clientId, session);
    sessionBytes += session.heldBytes;
  }
  checkPeers(state);
  assert(sessionBytes === state.sessionBytes, "the held bytes of sessions are not their sum");
  assert(state.touched.length === 0, "something was queued in a step and did not leave at its end");
  checkTimers(state);
  assert(
    state.trusted.size <= state.config.limits.trustedTokensMax,
    "more tokens are remembered than may be",
  );
  assert(
    state.recalled.size <= state.config.limits.recalledHomesMax,
    "more homes are remembered than may be",
  );
  checkPasswords(state);
  checkHandshakes(state);
  assert(
    state.calls.size <= state.config.limits.registryCallsMax + DUTY_CALLS_MAX,
    "more calls are under way than may be",
  );
}

function checkHandshakes({ handshakes, sockets, config }: ServerState): void {
  let coming = 0;
  let strangers = 0;
  for (const socket of sockets.values()) {
    const { handshake, phase } = socket;
    const isComing = phase === "authorizing" || phase === "claiming";
    assert(isComing === (handshake !== null), "a socket comes in exactly until it is let in or sent away");
    if (handshake === null) continue;
    coming++;
    if (!handshake.place.stands) continue;
    assert(phase === "authorizing", "a socket stands in line that the registry has answered for");
    if (handshake.stranger !== null) strangers++;
  }
  assert(coming === handshakes.line.size + handshakes.running, "the count of handshakes is not their number");
  assert(strangers === handshakes.strangers, "the count of strangers in line is not their number");
  assert(handshakes.ofAgents.size <= coming, "a handshake is remembered that is over");
  assert(handshakes.running <= config.limits.handshakesRunningMax, "more handshakes run than may");
}

function checkPeers({ peers, exchanges, homes, calls, config }: ServerState): void {
  let queuedBytes = 0;
  peers.carried.forEach((carried) => {
    assert(
      exchanges.get(carried.exchange)?.carried === carried,
      "an exchange is at another node that is not carried there",
    );
    assert(carried.slot.url !== "", "an exchange is at no node");
    queuedBytes += carried.queuedBytes;
  });
  assert(queuedBytes === peers.queuedBytes, "the bytes on their way to other nodes are not their sum");
  let sent = 0;
  for (const { exchanges: count } of peers.slots) sent += count;
  assert(sent === peers.carried.size, "the exchanges at other nodes are not those of each");
  assert(peers.slots.length <= config.limits.peersMax, "more nodes are reached than may be");
  for (const map of [peers.found, peers.lost]) {
    assert(map.size <= config.limits.foundHomesMax, "more homes elsewhere are remembered than may be");
  }
  const { shown, order } = peers.passes;
  assert(shown.size === queueLength(order), "a pass is forgotten before its time, or after it");
  assert(shown.size <= config.limits.passesMax, "more passes are remembered than may be");
  let finding = 0;
  calls.forEach(({ purpose }) => {
    if (purpose.type === "find_connection") finding++;
  });
  let asked = 0;
  for (const [clientId, seek] of peers.seeks) {
    if (seek.asked) asked++;
    assert(seek.asked !== isArmed(seek.timer), "a home is sought without a question, or with two");
    assert(seek.asked || seek.asking.length === 0, "an exchange waits for a question that nobody asks");
    assert(seek.asked || homes.has(clientId) || isArmed(seek.timer), "a home is sought for nobody");
  }
  assert(asked === finding, "the registry is asked for a home that nobody seeks");
}

function checkPasswords({ passwords, passwordsRunning, exchanges, config }: ServerState): void {
  let running = 0;
  passwords.forEach((check, id) => {
    if (check.running) running++;
    assert(check.running || check.exchanges.size > 0, "a password is to be checked for nobody");
    check.exchanges.forEach((exchange) => {
      assert(exchanges.get(exchange.id) === exchange, "a password is checked for somebody who has left");
      assert(
        exchange.check === id && exchange.phase === "authorizing",
        "an exchange waits for another check",
      );
    });
  });
  assert(running === passwordsRunning, "the count of passwords that are checked is not their number");
  assert(running <= config.limits.passwordsRunningMax, "more passwords are checked at a time than may be");
  assert(passwords.size <= config.limits.passwordsMax, "more passwords wait than may");
}

function checkExchange(state: ServerState, exchange: Exchange): void {
  const { carried } = exchange;
  const parts = lengthOf(exchange.requestParts) + lengthOf(exchange.responseParts);
  const parkedBytes = carried?.carrier === "moosicbox" ? carried.order.parkedBytes : 0;
  const held = parts + parkedBytes + exchange.unflushedBytes;
  assert(held === exchange.heldBytes, "an exchange's held bytes are not the sum of what it holds");
  assert(exchange.unflushedBytes >= 0, "a visitor took more than it was given");
  assert(!exchange.isCut || held === 0, "something is held for a visitor who was cut off");
  assert(!exchange.requestPaused || carried !== null, "a visitor is not read although nothing carries him");
  const sent = exchange.phase === "waiting" || exchange.phase === "responding";
  assert((carried !== null) === sent, "an exchange is carried exactly while it is owed an answer");
  const home = exchange.clientId === null ? undefined : state.homes.get(exchange.clientId);
  assert(
    (exchange.phase === "queued") === (home?.waiting.has(exchange.id) ?? false),
    "an exchange waits for its home exactly while it is queued",
  );
  assert(
    (exchange.phase === "closing") === (exchange.ending !== null),
    "closing is when the ending is known",
  );
  if (carried === null) return;
  assert(isArmed(exchange.timer), "an exchange waits without a deadline");
  assert(carried.exchange === exchange.id, "an exchange is carried as another one");
  checkCarried(state, exchange, carried);
}

function checkCarried(state: ServerState, { id, clientId, requestPaused }: Exchange, carried: Carried): void {
  if (carried.carrier === "moosicbox") {
    const { tunnel } = carried;
    checkParking(state, carried);
    assert(!requestPaused, "a visitor is not read although his request went out whole");
    assert(
      state.sockets.get(tunnel.id) === tunnel && tunnel.phase === "live",
      "an exchange waits for a tunnel that is not there",
    );
    assert(tunnel.exchanges.get(id) === carried, "a tunnel does not know an exchange of its own");
    assert(tunnel.clientId === clientId, "an exchange is on the tunnel of another client id");
  } else if (carried.carrier === "peer") {
    assert(
      state.peers.carried.get(carried.request) === carried,
      "an exchange is at another node that is not known to be",
    );
    assert(carried.sourcePaused === requestPaused, "a visitor is paused for nothing, or not paused");
  } else {
    const { session, stream } = carried;
    assert(state.sessions.get(session.clientId) === session, "an exchange is on a session that has ended");
    assert(session.exchanges.get(id) === carried, "a session does not know an exchange of its own");
    assert(session.clientId === clientId, "an exchange is on the session of another client id");
    assert(stream.sourcePaused === requestPaused, "a visitor is paused for nothing, or not paused");
  }
}

function checkParking(state: ServerState, { order }: MoosicBoxCarried): void {
  const { limits } = state.config;
  assert(order.parked.size <= limits.parkedPacketsMax, "more packets are parked than may be");
  assert(order.parkedBytes <= limits.parkedBytesMax, "more bytes are parked than may be");
}

function checkSocket(state: ServerState, socket: Socket): void {
  assert(socket.unsentBytes >= 0, "a socket sent more than it was given");
  const beating = socket.phase === "live" || socket.phase === "accepting";
  assert(
    beating === isArmed(socket.heartbeat),
    "a socket has a heartbeat exactly while it is open or opening",
  );
  if (socket.kind === "tunnel") checkTunnel(state, socket);
}

function checkTunnel(state: ServerState, tunnel: Tunnel): void {
  tunnel.exchanges.forEach((carried, id) => {
    assert(state.exchanges.get(id)?.carried === carried, "a tunnel carries an exchange that is not its own");
  });
  for (const id of tunnel.slow) assert(tunnel.exchanges.has(id), "an exchange slows a tunnel that it left");
  assert(tunnel.paused === isArmed(tunnel.pause), "a tunnel is paused without an end");
  if (tunnel.native !== null) {
    const { hello, session } = tunnel.native;
    const greeted = tunnel.phase !== "live" || session !== null;
    assert(greeted === !isArmed(hello), "a hello is awaited exactly from the open socket on");
    assert(session === null || session.tunnel === tunnel.id, "a tunnel carries a session that has left it");
    assert(tunnel.exchanges.size === 0, "a native tunnel has an exchange outside of its session");
  }
  assert(tunnel.aborted.size <= state.config.limits.abortedIdsMax, "more aborted ids are kept than may be");
  if (tunnel.phase !== "live")
    assert(tunnel.exchanges.size === 0, "a tunnel that is not open carries exchanges");
}

function checkTunnelSession(state: ServerState, clientId: string, session: TunnelSession): void {
  assert(session.clientId === clientId, "a session is another client id's");
  const tunnel = session.tunnel === null ? undefined : state.sockets.get(session.tunnel);
  assert(
    (session.tunnel === null) === isArmed(session.grace),
    "a session waits for its agent without an end",
  );
  assert(session.tunnel === session.link.socket, "a session's frames go elsewhere than to its tunnel");
  if (session.tunnel !== null) {
    const carries = tunnel?.kind === "tunnel" && tunnel.native?.session === session;
    assert(carries && tunnel.phase === "live", "a session's tunnel does not carry it");
  }
  session.exchanges.forEach((carried, id) => {
    assert(state.exchanges.get(id)?.carried === carried, "a session has an exchange that is not its own");
  });
  assert(session.heldBytes === heldBytes(session.link), "a session holds other bytes than are counted");
  checkSession(session.link);
}

function checkHomes(state: ServerState): void {
  let waiting = 0;
  for (const [clientId, home] of state.homes) {
    waiting += home.waiting.size;
    const size = home.visitors.size + home.waiting.size + home.standby.size;
    // A server at its end promotes none: it closes them all.
    const isLeft = home.tunnel === null && servesHomes(state);
    assert(!isLeft || home.standby.size === 0, "a tunnel stands by for a home that has none");
    assert(home.tunnel !== null || size > 0, "an empty home is kept");
    assert(home.waiting.size <= state.config.limits.waitingMax, "more requests wait for a home than may");
    if (home.tunnel !== null) {
      const tunnel = state.sockets.get(home.tunnel);
      const live = tunnel?.kind === "tunnel" && tunnel.phase === "live" && tunnel.clientId === clientId;
      assert(live, "a home's tunnel is not live");
    }
    for (const id of home.visitors) {
      const visitor = state.sockets.get(id);
      assert(visitor?.kind === "visitor" && visitor.phase === "live", "a home's visitor socket is not live");
      assert(visitor.clientId === clientId, "a visitor socket is in another client id's home");
    }
  }
  assert(waiting === state.waiting, "the count of waiting requests is not their number");
}

function checkTimers(state: ServerState): void {
  for (const timer of state.timers.heap) {
    const { owner } = timer;
    if (owner.kind === "exchange")
      assert(state.exchanges.has(owner.exchange), "a timer outlived its exchange");
    if (owner.kind === "seek") assert(state.peers.seeks.has(owner.clientId), "a timer outlived its seek");
    if (owner.kind === "call") assert(state.calls.has(owner.call), "a timer outlived its call");
    if (owner.kind === "grace" || owner.kind === "pump") {
      assert(state.sessions.has(owner.clientId), "a timer outlived its session");
    }
    if (owner.kind === "heartbeat" || owner.kind === "pause" || owner.kind === "hello") {
      assert(state.sockets.has(owner.socket), "a timer outlived its socket");
    }
  }
}

function lengthOf(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

/** The server's own answers come on top: a few KiB for each exchange at most. */
const OWN_ANSWERS_MAX = 2 ** 26;
