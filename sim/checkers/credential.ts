/** What a request needs to be let in, read from the protocol's table of endpoints and from nothing of `core/`. */
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import type { HeldToken, RegistryOutcome, TokenKind } from "../../core/registry.ts";
import { isOfSignIn, type Place, parsedTarget } from "../ledger/place.ts";
import type { LedgerSocket } from "../ledger/socket.ts";
import { ACCESS_TOKEN } from "../scenario/request.ts";
import { type ShownSession, shownSession, signedBy } from "../scenario/session.ts";
import { fakeSha256 } from "../tools/hash.ts";
import { headerOf } from "../tools/headers.ts";

type Opened = Extract<ServerEvent, { readonly type: "exchange_opened" }>;

export type NeededCredential =
  | { readonly kind: "none" }
  /** The operator's token, or what else registers that client id. */
  | { readonly kind: "registration"; readonly token: string; readonly clientId: string }
  | { readonly kind: "magic"; readonly tokenHash: string }
  /** Whatever the home itself asks for. `shown` is a field's whole value, `session` what a cookie shows. */
  | {
      readonly kind: "home";
      readonly clientId: string;
      readonly tokenHash: string;
      readonly shown: string;
      readonly session: ShownSession | null;
    }
  /** A home's pages to sign in and out, which are the home's own where everybody may come. */
  | { readonly kind: "sign_in"; readonly clientId: string }
  | { readonly kind: TokenDoor; readonly tokenHash: string; readonly clientId: string };

/** What the registry is asked about a token: one that is good at one of them opens none of the others. */
export type TokenDoor = "agent" | "visitor" | "media" | "signature" | "tunnel_token" | "tunnel_signature";

type Operation = Extract<ServerEffect, { readonly type: "registry_call" }>["operation"];

/** The door that the operation asks about; null where it asks about none. */
export function doorAsked(operation: Operation): string | null {
  switch (operation.type) {
    case "check_token":
      return keyOf(operation.kind === "signature" ? "signature" : "agent", operation);
    case "check_visitor":
      return keyOf("visitor", operation);
    case "check_agent":
      return keyOf("tunnel_token", operation);
    case "use_signature":
      return keyOf(operation.use === "media" ? "media" : "tunnel_signature", operation);
    default:
      return null;
  }
}

/** Whether the registry's answer opens the door. */
export function isOpened(operation: Operation, outcome: RegistryOutcome): boolean {
  if (outcome.type === "token_checked") return outcome.valid;
  if (outcome.type === "visitor_checked") return outcome.kind !== null;
  if (outcome.type !== "signature_used" || operation.type !== "use_signature") return false;
  // A signature stands in links that are shared: it is no agent's where Culvert's own is at home.
  return outcome.valid && !(operation.use === "tunnel" && outcome.hasCulvertAgent);
}

/** The doors that a token of the kind opens. */
export function doorsOf(kind: TokenKind): readonly TokenDoor[] {
  switch (kind) {
    case "client_access":
      return ["agent", "visitor", "tunnel_token"];
    case "visitor":
      return ["visitor"];
    case "signature":
      return ["media", "signature", "tunnel_signature"];
    case "magic":
      return [];
  }
}

const COVER_PATH = /^files\/(artists|albums)\/[^/]+\/[^/]+$/;

/** A page of another origin asks for it, and the person does not follow a link: its cookies open nothing. */
function isOfOtherPage({ method, headers }: Opened): boolean {
  const isFollowed = headerOf(headers, "sec-fetch-mode") === "navigate";
  if ((method === "GET" || method === "HEAD") && isFollowed) return false;
  const site = headerOf(headers, "sec-fetch-site");
  if (site !== undefined) return site !== "same-origin" && site !== "none";
  const [, origin] = /^https?:\/\/(.*)$/.exec(headerOf(headers, "origin") ?? "") ?? [];
  return origin !== undefined && origin !== headerOf(headers, "host");
}

export function neededCredential(opened: Opened, place: Place): NeededCredential {
  const { method, target, headers, byPeer } = opened;
  // Another node has seen what its visitor shows.
  if (byPeer === true) return { kind: "none" };
  if (place.way !== "query") {
    if (isOfSignIn(place)) return { kind: "sign_in", clientId: place.clientId };
    const apart = headerOf(headers, "culvert-authorization");
    const shown = apart ?? headerOf(headers, "authorization") ?? "";
    const isApart = apart !== undefined;
    const session =
      isApart || isOfOtherPage(opened)
        ? null
        : shownSession(headerOf(headers, "cookie"), place.clientId, signedBy(ACCESS_TOKEN));
    const tokenHash = session?.kind === "token" ? session.hash : fakeSha256(shown.replace(/^bearer +/i, ""));
    return { kind: "home", clientId: place.clientId, tokenHash, shown, session };
  }
  // The server's front page.
  if (target === "/" && (method === "GET" || method === "HEAD")) return { kind: "none" };
  const { path, query } = parsedTarget(target);
  const clientId = query.get("clientid") ?? "";
  const signature = {
    tokenHash: fakeSha256(query.get("signature") ?? ""),
    clientId,
  } as const;
  const media = { kind: "media", ...signature } as const;
  switch (path) {
    case "health":
      return { kind: "none" };
    case "auth/register-client":
      return { kind: "registration", token: bearer(headers), clientId };
    case "auth/validate-signature-token":
      return { kind: "signature", ...signature };
    case "auth/signature-token":
    case "auth/visitor-tokens":
      return { kind: "agent", tokenHash: fakeSha256(bearer(headers)), clientId };
    case "auth/magic-token":
      if (method !== "GET") return { kind: "agent", tokenHash: fakeSha256(bearer(headers)), clientId };
      return { kind: "magic", tokenHash: fakeSha256(query.get("magictoken") ?? "") };
    case "files/track":
      if (method === "GET" || method === "HEAD" || method === "OPTIONS") return media;
      break;
    default:
      if (COVER_PATH.test(path) && (method === "GET" || method === "HEAD")) return media;
  }
  return { kind: "visitor", tokenHash: fakeSha256(bearer(headers)), clientId };
}

/** Of a socket's handshake: an agent shows its client token in a field, whoever has a signature has it in the query. */
export function socketToken({ kind, target, headers }: LedgerSocket): HeldToken {
  const { query } = parsedTarget(target);
  const clientId = query.get("clientid") ?? "";
  const signature = query.get("signature");
  const isSignature = kind === "visitor" || signature !== undefined;
  const tokenHash = fakeSha256(signature ?? bearer(headers));
  return { kind: isSignature ? "signature" : "client_access", tokenHash, clientId };
}

export function socketDoor(socket: LedgerSocket): string {
  const { kind, tokenHash, clientId } = socketToken(socket);
  if (socket.kind === "visitor") return doorKey("media", tokenHash, clientId);
  return doorKey(kind === "signature" ? "tunnel_signature" : "tunnel_token", tokenHash, clientId);
}

/** Different for different tokens. */
export function tokenKey({ kind, tokenHash, clientId }: HeldToken): string {
  return `${kind} ${tokenHash} ${clientId}`;
}

export function doorKey(door: TokenDoor, tokenHash: string, clientId: string): string {
  return `${door} ${tokenHash} ${clientId}`;
}

function keyOf(
  door: TokenDoor,
  { tokenHash, clientId }: { readonly tokenHash: string; readonly clientId: string },
): string {
  return doorKey(door, tokenHash, clientId);
}

/** The token of the only `Authorization`; empty where there is none. */
export function bearer(headers: readonly string[]): string {
  const values = headers.filter((_, index) => index % 2 === 1 && isAuthorization(headers[index - 1]));
  return values.length === 1 ? (values[0] ?? "").replace(/^bearer +/i, "").trim() : "";
}

function isAuthorization(name: string | undefined): boolean {
  return name?.toLowerCase() === "authorization";
}
