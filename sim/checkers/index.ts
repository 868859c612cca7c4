/** All properties that a run is checked for, each in a file of its own; `never_throws` and `livelock` are the world's. */
import type { Property } from "../record/checker.ts";
import { abortSent } from "./abort-sent.ts";
import { agentDeadlines } from "./agent-deadlines.ts";
import { agentOrders } from "./agent-orders.ts";
import { agentPace } from "./agent-pace.ts";
import { agentWhole } from "./agent-whole.ts";
import { announced } from "./announced.ts";
import { answersOwn } from "./answers-own.ts";
import { askedRightly } from "./asked-rightly.ts";
import { atMostOnce } from "./at-most-once.ts";
import { authorized } from "./authorized.ts";
import { bodyPrefix } from "./body-prefix.ts";
import { boundLogins } from "./bound-logins.ts";
import { callsPaced } from "./calls-paced.ts";
import { certified } from "./certified.ts";
import { cleanEnd } from "./clean-end.ts";
import { codedRightly } from "./coded-rightly.ts";
import { connectionsKept } from "./connections-kept.ts";
import { contradictions } from "./contradictions.ts";
import { counters } from "./counters.ts";
import { creditCaused } from "./credit-caused.ts";
import { deadlines } from "./deadlines.ts";
import { delivered } from "./delivered.ts";
import { distrust } from "./distrust.ts";
import { drainTold } from "./drain-told.ts";
import { drains } from "./drains.ts";
import { endToEnd } from "./end-to-end.ts";
import { endsGoOut } from "./ends-go-out.ts";
import { foundElsewhere } from "./found-elsewhere.ts";
import { goodStaysGood } from "./good-stays-good.ts";
import { granted } from "./granted.ts";
import { handshakesTaken } from "./handshakes-taken.ts";
import { headOnce } from "./head-once.ts";
import { heartbeat } from "./heartbeat.ts";
import { heldBytes } from "./held-bytes.ts";
import { homeReached } from "./home-reached.ts";
import { hops } from "./hops.ts";
import { inTurn } from "./in-turn.ts";
import { lastAnswer } from "./last-answer.ts";
import { lateResumed } from "./late-resumed.ts";
import { leavingIsKnown } from "./leaving-is-known.ts";
import { leftUnread } from "./left-unread.ts";
import { linkNear } from "./link-near.ts";
import { linksKept } from "./links-kept.ts";
import { listens } from "./listens.ts";
import { liveThings } from "./live-things.ts";
import { lookedAt } from "./looked-at.ts";
import { messageLimit } from "./message-limit.ts";
import { modeKept } from "./mode-kept.ts";
import { nameTold } from "./name-told.ts";
import { nativeFlow } from "./native-flow.ts";
import { neighbours } from "./neighbours.ts";
import { noSecrets } from "./no-secrets.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import { oneDoor } from "./one-door.ts";
import { oneOwner } from "./one-owner.ts";
import { originFed } from "./origin-fed.ts";
import { outcomeOnce } from "./outcome-once.ts";
import { outcomeTrue } from "./outcome-true.ts";
import { overIsOver } from "./over-is-over.ts";
import { ownFence } from "./own-fence.ts";
import { ownTickets } from "./own-tickets.ts";
import { ownWord } from "./own-word.ts";
import { paced } from "./paced.ts";
import { patience } from "./patience.ts";
import { placesNamed } from "./places-named.ts";
import { quiescence } from "./quiescence.ts";
import { recovers } from "./recovers.ts";
import { refusedRightly } from "./refused-rightly.ts";
import { relayed } from "./relayed.ts";
import { requestIntact } from "./request-intact.ts";
import { resetsAcknowledged } from "./resets-acknowledged.ts";
import { restartsUnseen } from "./restarts-unseen.ts";
import { returnsInTime } from "./returns-in-time.ts";
import { revoked } from "./revoked.ts";
import { roomTaken } from "./room-taken.ts";
import { rowsTrue } from "./rows-true.ts";
import { settingsTaken } from "./settings-taken.ts";
import { settles } from "./settles.ts";
import { signedIn } from "./signed-in.ts";
import { socketRoom } from "./socket-room.ts";
import { surplusDropped } from "./surplus-dropped.ts";
import { switchedAsAsked } from "./switched-as-asked.ts";
import { taint } from "./taint.ts";
import { tickets } from "./tickets.ts";
import { timersOwned } from "./timers-owned.ts";
import { tokensKept } from "./tokens-kept.ts";
import { toldAgain } from "./told-again.ts";
import { turnsBounded } from "./turns-bounded.ts";
import { unharmed } from "./unharmed.ts";
import { upkeep } from "./upkeep.ts";
import { wellFormed } from "./well-formed.ts";
import { withinLimits } from "./within-limits.ts";
import { youngEnough } from "./young-enough.ts";

export const properties: readonly Property[] = [
  taint,
  // What an agent should not have done is told as that, and not as what comes of it.
  switchedAsAsked,
  lateResumed,
  distrust,
  announced,
  answersOwn,
  askedRightly,
  oneAtATime,
  boundLogins,
  handshakesTaken,
  headOnce,
  // What goes wrong on a connection is told as that, and not as what visitors make of it.
  inTurn,
  lastAnswer,
  surplusDropped,
  overIsOver,
  turnsBounded,
  paced,
  leavingIsKnown,
  leftUnread,
  wellFormed,
  bodyPrefix,
  cleanEnd,
  // What is nobody's is told as that, and not as what it leads to.
  liveThings,
  counters,
  outcomeOnce,
  outcomeTrue,
  endToEnd,
  authorized,
  oneDoor,
  hops,
  granted,
  revoked,
  ownWord,
  modeKept,
  lookedAt,
  signedIn,
  goodStaysGood,
  atMostOnce,
  requestIntact,
  placesNamed,
  relayed,
  delivered,
  abortSent,
  heldBytes,
  nativeFlow,
  linkNear,
  linksKept,
  creditCaused,
  endsGoOut,
  resetsAcknowledged,
  socketRoom,
  tickets,
  ownFence,
  ownTickets,
  timersOwned,
  deadlines,
  heartbeat,
  neighbours,
  contradictions,
  messageLimit,
  drains,
  drainTold,
  listens,
  patience,
  homeReached,
  foundElsewhere,
  oneOwner,
  refusedRightly,
  settingsTaken,
  nameTold,
  certified,
  withinLimits,
  roomTaken,
  noSecrets,
  tokensKept,
  codedRightly,
  toldAgain,
  upkeep,
  callsPaced,
  agentPace,
  agentWhole,
  agentOrders,
  originFed,
  connectionsKept,
  youngEnough,
  agentDeadlines,
  returnsInTime,
  rowsTrue,
  recovers,
  unharmed,
  restartsUnseen,
  settles,
  quiescence,
];
