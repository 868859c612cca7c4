/** What visitors and homes of a run came to, written by hand, to show to a checker. */

import type { Checker, Property } from "../../../sim/record/checker.ts";
import type { Finish } from "../../../sim/record/finish.ts";
import type { HomeCall } from "../../../sim/record/home-call.ts";
import { Visit } from "../../../sim/record/visit.ts";
import type { SeenVisitorSocket } from "../../../sim/record/visitor-socket.ts";
import { answerOf, taintedBytes, taintKey } from "../../../sim/scenario/model.ts";
import type { SocketOperation, VisitOperation } from "../../../sim/scenario/scenario.ts";
import { visit as visitOperation } from "../scenarios.ts";

/** The checker of a property, and the violations that it reports. */
export function watch(property: Property): { readonly checker: Checker; readonly found: string[] } {
  const found: string[] = [];
  const violate = (kind: string, message: string) => found.push(`${kind} ${message}`);
  return { checker: property.create(violate, () => {}), found };
}

export function visitTo(clientId: string, operation: VisitOperation): Visit {
  return new Visit(operation, { clientId }, answerOf(clientId, operation), 0);
}

/** A visit whose home's head has come. */
export function answered(id = 1, clientId = "a", operation = visitOperation(id, 0)): Visit {
  const visit = visitTo(clientId, operation);
  visit.status = visit.model.status;
  visit.headers = visit.model.headers;
  return visit;
}

export function bodyOf(visit: Visit, from: number, length: number): Uint8Array {
  return taintedBytes(taintKey(visit.clientId, visit.operation.id), visit.model.bodyOffset + from, length);
}

export function callOf(operation: VisitOperation): HomeCall {
  const { method } = operation.request;
  return {
    clientId: "a",
    visit: operation,
    method,
    target: "/",
    atUs: 0,
    bodyIntact: true,
    headersIntact: true,
    misnamed: null,
    told: null,
    end: null,
    connection: null,
    silent: true,
  };
}

export function socketWith(credential: SocketOperation["credential"]): SeenVisitorSocket {
  const operation = {
    kind: "socket",
    id: 5,
    atMs: 0,
    home: 0,
    credential,
    messages: [],
    closesAtMs: 1,
  } as const;
  return { operation, clientId: "a" } as unknown as SeenVisitorSocket;
}

/** The end of a run in which there was nothing else. */
export function finish(parts: Partial<Finish>): Finish {
  return {
    visits: [],
    visitorSockets: [],
    homeCalls: [],
    held: [],
    faultFree: false,
    servers: [],
    rows: new Map(),
    ...parts,
  };
}
