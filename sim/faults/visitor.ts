/** Visitors who leave, dawdle, stop, or come all at once. */
import { ADDED_VISITS_FROM, type VisitOperation } from "../scenario/scenario.ts";
import { type FaultContext, type FaultKind, noParameters, nothing } from "./fault.ts";

const ADDED_PER_FAULT = 100;
/** Larger than any server takes in a run. */
const OVERSIZED_BODY_BYTES = 600 * 1024;

export const visitorFaults: readonly FaultKind[] = [
  {
    name: "visitor_leaves",
    target: "visit",
    lastsMs: null,
    draw: noParameters,
    begin: (context) => {
      const visitor = context.scene.visitor(context.fault.target);
      if (visitor === null || visitor.visit.end !== null) return nothing;
      visitor.leave();
      context.fired();
      return nothing;
    },
  },
  {
    name: "visitor_reads_slowly",
    target: "visit",
    lastsMs: [1_000, 20_000],
    draw: (random) => ({ bytesPerMs: random.skewed(1, 64) }),
    begin: (context) => {
      const mood = context.scene.mood(context.fault.target);
      mood.readBytesPerMs = context.parameter("bytesPerMs");
      context.fired();
      return () => {
        mood.readBytesPerMs = null;
      };
    },
  },
  {
    name: "visitor_stalls",
    target: "visit",
    lastsMs: [1_000, 30_000],
    draw: (random) => ({ atBytes: random.skewed(1, 100_000) }),
    begin: (context) => {
      const mood = context.scene.mood(context.fault.target);
      mood.stallsAtBytes = context.parameter("atBytes");
      context.fired();
      return () => {
        mood.stallsAtBytes = null;
        context.scene.visitor(context.fault.target)?.wake();
      };
    },
  },
  {
    name: "visitor_stops_upload",
    target: "visit",
    ofUploads: true,
    lastsMs: [1_000, 30_000],
    draw: (random) => ({ atBytes: random.skewed(0, 2_000) }),
    begin: (context) => {
      const mood = context.scene.mood(context.fault.target);
      mood.stopsUploadAtBytes = context.parameter("atBytes");
      context.fired();
      // The rest of a body is never sent: the server's deadline ends it. Nothing ends a connection between WebSockets.
      return () => {
        const visitor = context.scene.visitor(context.fault.target);
        if (visitor?.visit.operation.request.upgrade !== true) return;
        mood.stopsUploadAtBytes = null;
        visitor.sayOn();
      };
    },
  },
  // Slow and steady: it moves all the time, and no deadline between pieces may end it.
  {
    name: "visitor_uploads_slowly",
    target: "visit",
    ofUploads: true,
    lastsMs: [1_000, 30_000],
    draw: (random) => ({ everyMs: random.skewed(20, 2_500) }),
    begin: (context) => {
      const mood = context.scene.mood(context.fault.target);
      mood.uploadEveryUs = context.parameter("everyMs") * 1000;
      context.fired();
      return () => {
        mood.uploadEveryUs = null;
      };
    },
  },
  {
    name: "visitors_come_at_once",
    target: "visit",
    lastsMs: null,
    draw: (random) => ({ visits: random.between(5, 60) }),
    begin: (context) => {
      addVisits(context, context.parameter("visits"), (visit) => visit);
      return nothing;
    },
  },
  {
    name: "visitor_sends_too_much",
    target: "visit",
    lastsMs: null,
    draw: noParameters,
    begin: (context) => {
      // In pieces of a few bytes it would be all that the run does.
      addVisits(context, 1, ({ connection: _, ...visit }) => ({
        ...visit,
        request: {
          ...visit.request,
          method: "POST",
          bodyBytes: OVERSIZED_BODY_BYTES,
          uploadPieceBytes: 64 * 1024,
        },
      }));
      return nothing;
    },
  },
];

/** Visits like the target, begun now, each on a connection of its own. */
function addVisits(
  context: FaultContext,
  count: number,
  change: (visit: VisitOperation) => VisitOperation,
): void {
  const { fault, scene } = context;
  const like = scene.scenario.operations.find((operation) => operation.id === fault.target);
  if (like === undefined || like.kind !== "visit" || like.request.endpoint !== "tunnel") return;
  const { connection: _, ...alone } = like;
  for (let added = 0; added < count; added++) {
    const id = ADDED_VISITS_FROM + fault.id * ADDED_PER_FAULT + added;
    scene.begin(change({ ...alone, id, leaves: null }));
  }
  context.fired();
}
