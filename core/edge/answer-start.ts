/**
 * An answer begins before it is known, byte by byte, to find out whether the visitor is still there of whom nothing is read
 * (`looks.ts`): the kernel of one who has closed answers with a reset.
 *
 * Every answer begins with the same nine bytes, which no client can tell from a head that comes in pieces, whatever its version.
 * Who still stands there after these is told to go on: `100 Continue`, which ends in as many dots as there were looks. It is one
 * interim response at most for each exchange, however long he stands there: clients have bounds for their number (Go 5 until
 * 1.24, OkHttp 4 one), and none that would matter for a reason's length. Where it could be taken for the answer it is not said:
 * HTTP/1.0 knows none, and nginx passes one on as the answer, so that none goes to a proxy.
 *
 * What this cannot find: who leaves when his answer has begun, or after his upgrade. An answer that goes on finds him itself.
 */
import { assert } from "../assert.ts";
import { headerValue } from "../http/headers.ts";
import type { RequestHead } from "../http1/request-reader.ts";
import type { Outbox } from "../outbox.ts";
import { enqueue, queueLength } from "../queue.ts";
import type { EdgeEffect } from "./events.ts";
import type { Edge, EdgeConnection, Turn } from "./state.ts";

/** How every answer begins, and an interim one that says nothing. */
const START = "HTTP/1.1 ";
const GO_ON = "HTTP/1.1 100 Continue";

/** The next byte of what is answered first, where there is one that commits nobody to anything. Whether there is. */
export function startAnswer(edge: Edge, connection: EdgeConnection, out: Outbox<EdgeEffect>): boolean {
  const { id, phase, turns, writes, startBytes } = connection;
  const turn = turns[0];
  if (turn === undefined || phase !== "reading" || turn.response !== "none") return false;
  const { answerStartBytes } = edge.config.limits;
  const most = isToBeToldOn(turn) ? answerStartBytes : Math.min(answerStartBytes, START.length);
  if (startBytes >= most || queueLength(writes) > 0) return false;
  enqueue(writes, { wireBytes: 1, turn: null, bodyBytes: 0 });
  out.push({
    type: "connection_write",
    connection: id,
    parts: [GO_ON[startBytes] ?? "."],
    lastUse: false,
  });
  connection.startBytes++;
  return true;
}

/** What is left to write of that head, and of an interim response that was begun before it. */
export function afterStart(connection: EdgeConnection, head: string): string {
  const { startBytes } = connection;
  if (startBytes === 0) return head;
  assert(head.startsWith(START), "an answer does not begin as it was begun");
  connection.startBytes = 0;
  if (startBytes <= START.length) return head.slice(startBytes);
  const turn = connection.turns[0];
  if (turn !== undefined) turn.mayBeToldOn = false;
  return `${GO_ON.slice(startBytes)}\r\n\r\n${head}`;
}

/** Whether an interim response would reach who sent that: he knows what it is, and nothing shows that a proxy stands between. */
export function takesInterim({ address }: EdgeConnection, { minorVersion, headers }: RequestHead): boolean {
  return (
    minorVersion === 1 &&
    address !== null &&
    PROXY_FIELDS.every((name) => headerValue(headers, name) === undefined)
  );
}

const PROXY_FIELDS = ["via", "forwarded", "x-forwarded-for"] as const;

/** Who waits to be told to go on must not be told so before somebody wants his body. */
function isToBeToldOn({ mayBeToldOn, requestDone, expectsContinue, reads }: Turn): boolean {
  return mayBeToldOn && !requestDone && (reads || !expectsContinue);
}
