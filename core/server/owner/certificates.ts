/**
 * Which names may get a certificate of this server's operator. A proxy in front that makes them as they are needed asks before
 * each: otherwise anybody who points a name at it could have any number made, until the authority makes no more for anybody.
 *
 * The server's own name may, one that the operator gave to a home, and the name of a home that is here, or that the registry
 * remembers. About a name that no home can have the registry is not asked, nor twice in a moment about the same; and all that ask have but one stranger's room at it.
 */
import type { ServerEffect } from "../../effects.ts";
import type { ServerEvent } from "../../events.ts";
import { homeOfHost } from "../../http/host.ts";
import type { Outbox } from "../../outbox.ts";
import { type CallResult, callRegistry } from "../registry/calls.ts";
import { hasRoomAtDoor } from "../registry/strangers.ts";
import type { CallPurpose, ServerState } from "../state/server.ts";
import { absentAccess, liveTunnel } from "./homes.ts";
import { noteRecalled, recalledHome } from "./recalled.ts";

type Question = Extract<ServerEvent, { readonly type: "certificate_asked" }>;
type Answer = Extract<ServerEffect, { readonly type: "certificate_answer" }>["answer"];

/** No address of anybody. */
const ASKER = "certificates";

export function onCertificateAsked(
  state: ServerState,
  { question, name }: Question,
  out: Outbox<ServerEffect>,
): void {
  const { domain, hostnames, limits } = state.config;
  const answer = (said: Answer) => out.push({ type: "certificate_answer", question, answer: said });
  const host = name.toLowerCase().replace(/\.$/, "");
  if (host === domain || Object.hasOwn(hostnames, host)) return answer("granted");
  const clientId = domain === null ? null : homeOfHost(host, domain);
  if (clientId === null) return answer("refused");
  if (liveTunnel(state, clientId) !== undefined || absentAccess(state, clientId) !== undefined) {
    return answer("granted");
  }
  if (recalledHome(state, clientId) !== undefined) return answer("refused");
  const asked =
    hasRoomAtDoor(state, ASKER) &&
    callRegistry(
      state,
      { type: "recall_home", clientId },
      { type: "know_name", question, clientId },
      limits.registryVisitorMs,
      out,
      ASKER,
    );
  if (!asked) answer("unknown");
}

export function onNameKnown(
  state: ServerState,
  { question, clientId }: Extract<CallPurpose, { readonly type: "know_name" }>,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  if (result.type !== "home_recalled") {
    // It may have come meanwhile.
    const answer = liveTunnel(state, clientId) === undefined ? "unknown" : "granted";
    out.push({ type: "certificate_answer", question, answer });
    return;
  }
  noteRecalled(state, clientId, result.home);
  out.push({ type: "certificate_answer", question, answer: result.home === null ? "refused" : "granted" });
}
