/** What a session promises itself, in full; the simulator asks after each step. */
import { assert } from "../assert.ts";
import { queueItem, queueLength } from "../queue.ts";
import { partOf, STILL } from "./budget.ts";
import { isSendable } from "./schedule.ts";
import type { SendHalf, Session, Stream } from "./state.ts";

/** Throws where an invariant is broken. */
export function checkSession(session: Session): void {
  let queuedBytes = 0;
  let retainedBytes = 0;
  const counted = { still: 0, newcomers: 0, readers: 0 };
  let flowing = 0;
  let busy = 0;
  session.streams.forEach((stream, id) => {
    assert(stream.id === id, "a stream is held under another number");
    assert(stream.phase !== "gone", "a forgotten stream is held");
    checkSend(stream.send, stream.phase);
    checkReceive(session, stream);
    assert(
      !isSendable(session, stream) || stream.ring !== "none" || session.resumeAwaited,
      "a stream with something to send has no turn",
    );
    queuedBytes += stream.send.queuedBytes;
    retainedBytes += stream.send.retainedBytes;
    counted[stream.receive.countedAs] += stream.receive.countedBytes;
    if (stream.receive.flowAt !== STILL) flowing++;
    if (stream.receive.isBusy) busy++;
  });
  assert(queuedBytes === session.queuedBytes, "the sum of queued bytes is wrong");
  assert(retainedBytes === session.retainedBytes, "the sum of retained bytes is wrong");
  const { still, newcomers, readers } = session.counted;
  assert(
    still === counted.still && newcomers === counted.newcomers && readers === counted.readers,
    "what a body counts was not given back, or twice",
  );
  assert(busy === session.busy, "the count of busy newcomers is not their number");
  assert(flowing === session.flowing.length, "a body flows that is over");
  session.flowing.forEach((receive, at) => {
    assert(receive.flowAt === at, "a body does not know its place among those that flow");
  });
  checkRing(session, "fresh");
  checkRing(session, "bulk");
}

function checkSend(send: SendHalf, phase: Stream["phase"]): void {
  assert(send.acked <= send.resend && send.resend <= send.next, "numbers of frames are out of order");
  assert(send.sentBytes <= send.limit, "more body was sent than there was credit for");
  assert(send.queuedBytes >= 0 && send.retainedBytes >= 0, "a stream holds less than nothing");
  assert(
    !send.finished || (send.ended && send.queuedBytes === 0),
    "something is queued behind the last frame",
  );
  if (phase !== "open") return;
  assert(queueLength(send.sent) === send.next - send.acked, "a frame that was not acknowledged is lost");
  let queued = 0;
  for (let index = 0; index < queueLength(send.parts); index++) {
    queued += queueItem(send.parts, index)?.length ?? 0;
  }
  assert(queued === send.queuedBytes, "the queue holds another number of bytes than was counted");
}

function checkReceive(session: Session, stream: Stream): void {
  const { receive } = stream;
  const { countedBytes, flowAt, ended } = receive;
  assert(receive.consumedBytes <= receive.receivedBytes, "more of a body was passed on than came");
  assert(receive.toldFrames <= receive.received, "more frames were acknowledged than came");
  assert(!ended || (countedBytes === 0 && flowAt === STILL), "a body that is over has a part in the budget");
  if (ended) return;
  assert(countedBytes === partOf(session, receive), "a body counts other bytes than it holds or lets flow");
  assert(receive.receivedBytes <= receive.toldLimit, "a body went beyond its credit");
  assert(receive.toldLimit <= receive.limit, "more credit was told than there is");
  assert(
    receive.limit <= receive.consumedBytes + receive.windowBytes,
    "more credit was given than the window has",
  );
  assert(
    (receive.consumedBytes + receive.windowBytes - receive.limit) * 4 < receive.windowBytes,
    "credit that is due was not given",
  );
}

function checkRing(session: Session, ring: "fresh" | "bulk"): void {
  for (let index = 0; index < queueLength(session[ring]); index++) {
    assert(queueItem(session[ring], index)?.ring === ring, "a stream does not know in which ring it is");
  }
}
