/** What visitors do in a run: requests of every kind, visitor sockets, and messages that homes send unasked. */
import { CERTIFICATE_NAMES } from "../scenario/certificates.ts";
import { SOCKET_QUIRKS, type SocketQuirk } from "../scenario/quirks.ts";
import type { Credential, Operation, SocketOperation } from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";
import { drawBrowser } from "./browsers.ts";
import { drawConnections } from "./connections.ts";
import { drawCrowd } from "./crowd.ts";
import { drawVisit, type VisitSetting } from "./visits.ts";

/** Operations begin when even a slow agent has registered and connected. */
export const FIRST_OPERATION_MS = 4_000;

export type OperationSetting = VisitSetting & {
  /** All of them begin before this. */
  readonly faultyMs: number;
};

export function drawOperations(random: Random, setting: OperationSetting): Operation[] {
  const operations: Operation[] = [];
  // Two ids for each, since a magic token takes two visits.
  const nextId = () => operations.length * 2;
  const visits = random.between(20, 160);
  for (let index = 0; index < visits; index++) {
    const own = random.stream(`visit ${index}`);
    const place = { id: nextId(), atMs: drawTime(own, setting), home: drawHome(own, setting) };
    operations.push(...drawVisit(own, place, setting));
  }
  const sockets = random.between(0, 12);
  for (let index = 0; index < sockets; index++) {
    operations.push(drawSocket(random.stream(`socket ${index}`), nextId(), setting));
  }
  const pushes = random.between(0, 12);
  for (let index = 0; index < pushes; index++) {
    const own = random.stream(`push ${index}`);
    const known = own.pick(["all", "some", "all_but_some", "unknown"] as const);
    const near = own.stream("near");
    const to = near.chance(1, 3) ? near.pick(["neighbours", "neighbours_questions"] as const) : known;
    operations.push({
      kind: "push",
      id: nextId(),
      atMs: drawTime(own, setting),
      home: drawHome(own, setting),
      to,
    });
  }
  const fronts = random.stream("certificates");
  const names = fronts.skewed(0, 8);
  for (let index = 0; index < names; index++) {
    const own = fronts.stream(`name ${index}`);
    const place = { id: nextId(), atMs: drawTime(own, setting), home: drawHome(own, setting) };
    operations.push({ kind: "certificate", ...place, name: own.pick(CERTIFICATE_NAMES) });
  }
  const people = random.stream("browsers");
  const browsers = people.skewed(0, 6);
  for (let index = 0; index < browsers; index++) {
    const own = people.stream(`browser ${index}`);
    const place = { id: nextId(), atMs: drawTime(own, setting), home: drawHome(own, setting) };
    operations.push(drawBrowser(own, place, setting));
  }
  const times = { firstMs: FIRST_OPERATION_MS, lastMs: setting.faultyMs };
  const firstId = nextId();
  const nextInCrowd = (index: number) => firstId + 2 * index;
  const crowd = drawCrowd(random.stream("crowd"), nextInCrowd, { ...setting, ...times });
  // Who waits for minutes has a connection of his own.
  return [...drawConnections(random.stream("connections"), operations, setting.faultyMs), ...crowd];
}

function drawTime(random: Random, { faultyMs }: OperationSetting): number {
  return random.between(FIRST_OPERATION_MS, faultyMs);
}

function drawHome(random: Random, { homes }: OperationSetting): number {
  return random.below(homes.length);
}

function drawSocket(random: Random, id: number, setting: OperationSetting): SocketOperation {
  const atMs = drawTime(random, setting);
  const quirk = random.stream("quirk").chance(1, 4) ? random.stream("which").pick(SOCKET_QUIRKS) : null;
  const messages = Array.from({ length: quirk === "reads_nothing" ? 8 : random.skewed(0, 8) }, () => ({
    atMs: atMs + random.skewed(100, 10_000),
    json: !random.chance(1, 12),
    wideCharacters: drawWideCharacters(random, quirk),
  }));
  return {
    kind: "socket",
    id,
    atMs,
    home: drawHome(random, setting),
    credential: random.weighted<Credential>([
      [12, "signature"],
      [1, "none"],
      [1, "wrong"],
      [1, "foreign"],
      [1, "expired"],
    ]),
    messages,
    closesAtMs: atMs + random.between(500, 12_000),
    ...(quirk === null ? {} : { quirk }),
  };
}

/** Who reads nothing asks for much, so that the answers have to wait. */
function drawWideCharacters(random: Random, quirk: SocketQuirk | null): number {
  if (quirk === "reads_nothing") return random.between(50, 500);
  return random.chance(1, 3) ? random.skewed(1, 600) : 0;
}
