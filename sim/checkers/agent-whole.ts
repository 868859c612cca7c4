/** What an agent passes on as whole is all that its home sent, to the byte, and all that the home said it would send. */
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent } from "../../core/events.ts";
import { seenPacket } from "../ledger/seen-packet.ts";
import type { Property } from "../record/checker.ts";
import { headerOf } from "../tools/headers.ts";
import { ofEachProcess } from "./of-each-process.ts";

type Passing = {
  readonly requestId: number;
  readonly method: string;
  status: number;
  declaredBytes: number | null;
  receivedBytes: number;
  sentBytes: number;
};

type Passings = { readonly byExchange: Map<number, Passing>; readonly byRequest: Map<number, Passing> };

type SentPacket = Extract<AgentEffect, { readonly type: "socket_send_packet" }>;

export const agentWhole: Property = {
  name: "agent_whole",
  create: (violate, judged) => {
    const passingsOf = ofEachProcess((): Passings => ({ byExchange: new Map(), byRequest: new Map() }));
    return {
      sees: ["origin_head", "origin_body", "origin_request", "socket_send_packet"],
      agentStep: (process, event, effects, count) => {
        const { name } = process;
        const { byExchange, byRequest } = passingsOf(process);
        if (event.type === "origin_head" || event.type === "origin_body")
          hear(byExchange.get(event.exchange), event);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "origin_request" && event.type === "socket_text") {
            const begun = begin(event.text, effect.method);
            byExchange.set(effect.exchange, begun);
            byRequest.set(begun.requestId, begun);
          }
          if (effect?.type !== "socket_send_packet") continue;
          const sent = seenPacket(effect.header);
          const one = sent === null ? undefined : byRequest.get(sent.requestId);
          if (sent === null || one === undefined) continue;
          judged();
          one.sentBytes += bytesOf(effect);
          // An answer of the agent's own, in place of one that failed.
          if (sent.packetId === 1 && sent.status !== one.status) byRequest.delete(sent.requestId);
          else if (sent.last && !isWhole(one))
            violate(
              "safety",
              `${name} ends request ${sent.requestId} with ${one.sentBytes} of ${wantedOf(one)} bytes`,
            );
        }
      },
    };
  },
};

function begin(text: string, method: string): Passing {
  const requestId = Number(/"request_id":(\d+)/.exec(text)?.[1]);
  return { requestId, method, status: 0, declaredBytes: null, receivedBytes: 0, sentBytes: 0 };
}

function hear(one: Passing | undefined, event: AgentEvent): void {
  if (one === undefined) return;
  if (event.type === "origin_head") {
    one.status = event.status;
    const length = headerOf(event.headers, "content-length");
    one.declaredBytes = length === undefined ? null : Number(length);
  }
  if (event.type === "origin_body") one.receivedBytes += event.bytes.length;
}

/** Of the packet's body; the head's text in packet 1 is in the header. */
function bytesOf({ body }: SentPacket): number {
  return body.reduce((sum, part) => sum + part.length, 0);
}

function isWhole(one: Passing): boolean {
  return one.sentBytes === wantedOf(one);
}

function wantedOf({ method, status, declaredBytes, receivedBytes }: Passing): number {
  if (method === "HEAD" || status === 204 || status === 304) return 0;
  return declaredBytes ?? receivedBytes;
}
