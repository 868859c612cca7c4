/** What must hold of a client between two steps, once all facts were taken. */
import { assert } from "../assert.ts";
import { isInBody } from "../http1/response-reader.ts";
import { queueLength } from "../queue.ts";
import { isArmed } from "../timers.ts";
import { isFlushed, isHeldBack } from "./connection.ts";
import type { Client, Connection, Exchange } from "./state.ts";

/** Walks all invariants. Returns how many timers are armed, for the owner to find no others in its heap. */
export function checkClient(client: Client): number {
  assert(queueLength(client.facts) === 0 && queueLength(client.ready) === 0, "a fact was not taken");
  client.exchanges.forEach(checkExchange);
  let idle = 0;
  for (const origin of client.origins) {
    idle += origin.idle.length;
    assert(
      origin.idle.length <= client.limits.idleConnectionsMax,
      "more connections are kept than are allowed",
    );
  }
  let armed = 0;
  client.connections.forEach((connection) => {
    checkConnection(client, connection);
    if (connection.origin.idle.includes(connection)) idle--;
    if (!isArmed(connection.timer)) return;
    assert(client.timers.heap[connection.timer.index] === connection.timer, "a timer is outside the heap");
    armed++;
  });
  assert(idle === 0, "a connection that is gone may be used again");
  return armed;
}

function checkExchange(exchange: Exchange): void {
  const { connection, upgraded, upgrade } = exchange;
  assert(connection.exchange === exchange, "an exchange's connection is another's");
  assert(upgrade || !upgraded, "a protocol was switched that nobody asked to switch");
  assert(!connection.closed || isHeldBack(connection), "an exchange waits on a connection that is gone");
}

function checkConnection(client: Client, connection: Connection): void {
  const { exchange, origin, reader } = connection;
  assert(
    !connection.closed && !connection.queued,
    "a connection that is gone, or was not read, is still known",
  );
  assert(connection.paused === isHeldBack(connection), "a connection is read against its exchange's wish");
  assert(exchange === null || client.exchanges.get(exchange.id) === exchange, "a connection serves nobody");
  if (!origin.idle.includes(connection)) return;
  assert(exchange === null, "a connection with a request may be given another");
  assert(isFlushed(connection) && !isInBody(reader), "a connection is kept before its exchange is over");
  assert(isArmed(connection.timer), "an idle connection is kept for ever");
  assert(!connection.loginBound && !connection.ended, "a connection is kept that is not fit to be");
}
