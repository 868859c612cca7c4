/**
 * Strangers by their addresses: how many may stand at the door at a time, and how many wrong credentials are looked up. A
 * flood from one address costs the registry nothing once it has shown many, and leaves room for everybody else's calls.
 *
 * Guesses are a leaky bucket of `guessesMax`, one of which leaks away every `guessMs`. What was accepted lately is never
 * refused by it: `trust.ts` is asked first.
 */
import { assert } from "../../assert.ts";
import { addressKey, isTrustedProxy } from "../../http/forwarded.ts";
import type { HeaderList } from "../../http/headers.ts";
import type { AddressRecord, ServerState } from "../state/server.ts";

/** Whether a credential of the address may still be looked up. */
export function mayGuess(state: ServerState, address: string): boolean {
  if (address === "") return true;
  const record = state.addresses.get(address);
  return record === undefined || guessesOf(state, record) + 1 <= state.config.limits.guessesMax;
}

/** A credential of the address was wrong. */
export function countGuess(state: ServerState, address: string): void {
  if (address === "") return;
  const record = recordOf(state, address);
  record.guesses = guessesOf(state, record) + 1;
  record.guessesMs = state.nowMs;
}

/** What was counted as a guess before it was known turned out to be none. */
export function forgiveGuess(state: ServerState, address: string): void {
  const record = state.addresses.get(address);
  if (record !== undefined) record.guesses = Math.max(0, record.guesses - 1);
}

/** Whether one more of the address may stand at the door. */
export function hasRoomAtDoor(state: ServerState, address: string): boolean {
  if (address === "") return true;
  const { strangers = 0 } = state.addresses.get(address) ?? {};
  return strangers < state.config.limits.addressStrangersMax;
}

export function enterDoor(state: ServerState, address: string): void {
  recordOf(state, address).strangers++;
}

export function leaveDoor(state: ServerState, address: string): void {
  const record = state.addresses.get(address);
  assert(record !== undefined && record.strangers > 0, "somebody leaves the door who never stood there");
  record.strangers--;
}

/** Whose share of the bounds a request or handshake takes; empty where that is nobody's. */
export function strangerOf(state: ServerState, peer: string, headers: HeaderList): string {
  const { latestAddress, trustedProxies } = state;
  if (latestAddress.peer === peer) return latestAddress.address;
  const address = addressKey(peer, headers, trustedProxies);
  // What a proxy names differs from request to request.
  if (!isTrustedProxy(peer, trustedProxies)) state.latestAddress = { peer, address };
  return address;
}

function guessesOf(state: ServerState, { guesses, guessesMs }: AddressRecord): number {
  return Math.max(0, guesses - (state.nowMs - guessesMs) / state.config.limits.guessMs);
}

function recordOf(state: ServerState, address: string): AddressRecord {
  const { addresses } = state;
  const known = addresses.get(address);
  // Deleted first, so that the map stays ordered by use and the oldest is the first to go.
  if (known !== undefined) addresses.delete(address);
  else makeRoom(state);
  const record = known ?? { guesses: 0, guessesMs: state.nowMs, strangers: 0 };
  addresses.set(address, record);
  return record;
}

/** Forgets the oldest that nobody of stands at the door. */
function makeRoom({ addresses, config }: ServerState): void {
  if (addresses.size < config.limits.addressesMax) return;
  for (const [address, { strangers }] of addresses) {
    if (strangers > 0) continue;
    addresses.delete(address);
    return;
  }
}
