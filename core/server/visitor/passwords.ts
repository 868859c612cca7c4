/**
 * Passwords of homes that keep a slow hash (`isSalted`). To hold one against it takes a good part of a second of a core and
 * some tens of MiB, so that a stranger must not make the server do it at will:
 *
 * - What was right lately is right: it costs nothing, and nobody's bound refuses it.
 * - A wrong guess is counted before the work is done. An address that has none left has none done.
 * - Few are worked on at a time, some more wait, and of all these an address has a share.
 * - The same password shown again meanwhile waits for the same answer: a page has many parts.
 *
 * Whoever has the name wrong costs as much as who has the password wrong, and so cannot tell the two apart.
 */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { ServerEvent } from "../../events.ts";
import type { HeaderList } from "../../http/headers.ts";
import { IdTable } from "../../id-table.ts";
import type { CheckId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { countGuess, forgiveGuess, mayGuess } from "../registry/strangers.ts";
import { isTrusted, trust } from "../registry/trust.ts";
import type { Access } from "../routing/access.ts";
import type { Exchange } from "../state/exchange.ts";
import type { PasswordCheck, ServerState } from "../state/server.ts";
import { serveRoute } from "./endpoints.ts";
import { addressOf, failExchange } from "./exchange.ts";

/** A realm of its own for each home, or browsers would show one home the password of another (RFC 7617 section 2.2). */
export function challenge(clientId: string): HeaderList {
  return ["www-authenticate", `Basic realm="${encodeURIComponent(clientId)}", charset="UTF-8"`];
}

/** Lets the exchange in, refuses it, or has it wait until its password was checked. */
export function checkPassword(
  state: ServerState,
  exchange: Exchange,
  shown: { readonly user: string; readonly password: string } | null,
  access: Extract<Access, { readonly type: "basic" }>,
  out: Outbox<ServerEffect>,
): void {
  if (shown === null) return refuse(state, exchange, out);
  const { limits, sha256 } = state.config;
  const { user, password } = shown;
  const { hash } = access;
  // The hash makes it this home's, and has a salt.
  const key = `password ${sha256(`${hash}:${user}:${password}`)} ${exchange.clientId}`;
  if (isTrusted(state, key, limits.passwordFreshMs)) {
    // Of the same hash it stays right: who is here all the time is not asked to work, nor to guess, again.
    if (!isTrusted(state, key, limits.passwordFreshMs / 2)) trust(state, key, null);
    return serveRoute(state, exchange, out);
  }
  let ofAddress = 0;
  const address = addressOf(state, exchange);
  for (const [id, check] of state.passwords) {
    if (check.key === key) return joinCheck(exchange, id, check);
    if (check.address === address) ofAddress++;
  }
  if (!mayGuess(state, address)) return failExchange(state, exchange, "limit_guesses", out);
  if (address !== "" && ofAddress >= limits.addressPasswordsMax) {
    return failExchange(state, exchange, "limit_address", out);
  }
  if (state.passwords.size >= limits.passwordsMax) {
    return failExchange(state, exchange, "limit_passwords", out);
  }
  countGuess(state, address);
  const id = ++state.passwordsMade as CheckId;
  const check: PasswordCheck = {
    key,
    password,
    hash,
    isUser: user === access.user,
    address,
    exchanges: new IdTable(),
    running: false,
  };
  state.passwords.set(id, check);
  joinCheck(exchange, id, check);
  startNext(state, out);
}

export function onPasswordChecked(
  state: ServerState,
  { check: id, result }: Extract<ServerEvent, { readonly type: "password_checked" }>,
  out: Outbox<ServerEffect>,
): void {
  const check = state.passwords.get(id);
  assert(check?.running === true, "a password was checked that nobody asked about");
  state.passwords.delete(id);
  state.passwordsRunning--;
  const isRight = result === "right" && check.isUser;
  if (isRight) trust(state, check.key, null);
  if (isRight || result === "failed") forgiveGuess(state, check.address);
  for (const exchange of check.exchanges.values()) {
    exchange.check = null;
    if (isRight) serveRoute(state, exchange, out);
    else if (result === "failed") failExchange(state, exchange, "limit_passwords", out);
    else refuse(state, exchange, out);
  }
  startNext(state, out);
}

function joinCheck(exchange: Exchange, id: CheckId, check: PasswordCheck): void {
  check.exchanges.set(exchange.id, exchange);
  exchange.check = id;
}

/** Puts as many to work as may be, in the order in which they came. */
function startNext(state: ServerState, out: Outbox<ServerEffect>): void {
  for (const [id, check] of state.passwords) {
    if (state.passwordsRunning >= state.config.limits.passwordsRunningMax) return;
    if (check.running) continue;
    check.running = true;
    state.passwordsRunning++;
    out.push({ type: "password_check", check: id, password: check.password, hash: check.hash });
  }
}

function refuse(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  assert(exchange.clientId !== null, "a password is nobody's");
  failExchange(state, exchange, "unauthorized", out, { headers: challenge(exchange.clientId) });
}
