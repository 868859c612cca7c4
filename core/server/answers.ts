/**
 * What the registry has answered goes to whoever asked: the one table from the purpose of a call to the file that knows what
 * the answer means there.
 */
import { unreachable } from "../assert.ts";
import type { ServerEffect } from "../effects.ts";
import type { CallId } from "../ids.ts";
import type { Outbox } from "../outbox.ts";
import type { RegistryOutcome } from "../registry.ts";
import { onRowClaimed, onSocketChecked } from "./life/open.ts";
import { onConnectionFound } from "./life/peers.ts";
import { onTokensChecked } from "./life/revoke.ts";
import { noteOthers } from "./native/welcome.ts";
import { onNameKnown } from "./owner/certificates.ts";
import { keepsRows, onLeasesRenewed } from "./owner/leases.ts";
import { type CallResult, onCallTimer, onRegistryAnswer } from "./registry/calls.ts";
import { socketOf } from "./sockets/socket.ts";
import type { CallPurpose, ServerState } from "./state/server.ts";
import { onAuthorizationKnown } from "./visitor/authorization.ts";
import { onExchangeChecked, onHomeRecalled } from "./visitor/door.ts";
import { onHomeFound } from "./visitor/endpoints.ts";
import { exchangeOf } from "./visitor/exchange.ts";
import { onWayRecalled } from "./visitor/request.ts";
import { onMagicTokenConfirmed, onTokenIssued } from "./visitor/tokens.ts";

export function onAnswered(
  state: ServerState,
  call: CallId,
  outcome: RegistryOutcome,
  out: Outbox<ServerEffect>,
): void {
  const ended = onRegistryAnswer(state, call, outcome, (purpose) => isWanted(state, purpose), out);
  if (ended !== undefined) onResult(state, ended.purpose, ended.result, out);
}

/** The registry has not answered in time. */
export function onCallOverdue(state: ServerState, call: CallId, out: Outbox<ServerEffect>): void {
  const ended = onCallTimer(state, call, (purpose) => isWanted(state, purpose), out);
  if (ended !== undefined) onResult(state, ended.purpose, ended.result, out);
}

/** The answer to a call whose asker has gone is nobody's. */
function onResult(
  state: ServerState,
  purpose: CallPurpose,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  if (!isWanted(state, purpose)) return;
  switch (purpose.type) {
    case "authorize_exchange":
      return onExchangeChecked(state, exchangeOf(state, purpose.exchange), purpose.shown, result, out);
    case "know_authorization":
      return onAuthorizationKnown(state, exchangeOf(state, purpose.exchange), purpose.shown, result, out);
    case "find_home":
      return onHomeFound(state, exchangeOf(state, purpose.exchange), result, out);
    case "recall_home": {
      const exchange = exchangeOf(state, purpose.exchange);
      return purpose.at === "door"
        ? onHomeRecalled(state, exchange, purpose.clientId, result, out)
        : onWayRecalled(state, exchange, purpose.clientId, result, out);
    }
    case "find_connection":
      return onConnectionFound(state, purpose.clientId, result, out);
    case "confirm_magic_token":
      return onMagicTokenConfirmed(state, exchangeOf(state, purpose.exchange), result, out);
    case "issue_token":
      return onTokenIssued(state, exchangeOf(state, purpose.exchange), purpose.token, result, out);
    case "authorize_socket":
      return onSocketChecked(state, socketOf(state, purpose.socket), purpose.key, result, out);
    case "claim_row":
      return onRowClaimed(state, socketOf(state, purpose.socket), result, out);
    case "renew_leases":
      if (result.type === "leases_renewed" && result.others !== undefined) {
        noteOthers(state, result.others, out);
      }
      return onLeasesRenewed(state, result, out);
    case "check_tokens":
      return onTokensChecked(state, purpose.tokens, result, out);
    case "know_name":
      return onNameKnown(state, purpose, result, out);
    case "drop_row":
    case "delete_node":
    case "sweep":
      return;
    default:
      unreachable(purpose);
  }
}

/** Whether somebody still waits for the answer: an asker that is closing does not. */
function isWanted(state: ServerState, purpose: CallPurpose): boolean {
  switch (purpose.type) {
    case "authorize_exchange":
    case "know_authorization":
    case "find_home":
    case "recall_home":
    case "confirm_magic_token":
    case "issue_token":
      return isOpen(state.exchanges.get(purpose.exchange));
    case "authorize_socket":
    case "claim_row":
      return isOpen(state.sockets.get(purpose.socket));
    case "renew_leases":
      return keepsRows(state);
    case "know_name":
    case "find_connection":
    case "drop_row":
    case "delete_node":
    case "check_tokens":
    case "sweep":
      return true;
  }
}

function isOpen(owner: { readonly phase: string } | undefined): boolean {
  return owner !== undefined && owner.phase !== "closing";
}
