/**
 * Cross-origin reads (Fetch standard, section 3.3): a MoosicBox web player comes from another origin than the tunnel. The lists are those of
 * protocol-moosicbox.md. The server answers for the whole tunnel, so what the origin says on the matter is replaced.
 */
import { type HeaderList, headerValue, withoutHeaders } from "./headers.ts";

/** The headers that let a page of `origin` read a response; none without an origin, or where it is not allowed. Null allows any. */
export function corsHeaders(origin: string | undefined, allowed: readonly string[] | null): HeaderList {
  if (!isAllowed(origin, allowed)) return [];
  return [...allowOrigin(origin), "access-control-expose-headers", EXPOSED_HEADERS];
}

/**
 * The headers that answer a preflight, null where the request is none (Fetch standard, section 3.3.2). A preflight from an origin
 * that is not allowed is answered without any, which is the refusal.
 */
export function preflight(
  method: string,
  headers: HeaderList,
  allowed: readonly string[] | null,
): HeaderList | null {
  const origin = headerValue(headers, "origin");
  const wanted = headerValue(headers, "access-control-request-method");
  if (method !== "OPTIONS" || origin === undefined || wanted === undefined) return null;
  if (!isAllowed(origin, allowed)) return [];
  return [
    ...allowOrigin(origin),
    "access-control-allow-methods",
    ALLOWED_METHODS,
    "access-control-allow-headers",
    ALLOWED_HEADERS,
    "access-control-max-age",
    MAX_AGE_SECONDS,
  ];
}

/** The origin's headers without its own `Access-Control-*`. */
export function withoutCors(headers: HeaderList): HeaderList {
  return withoutHeaders(headers, (name) => name.startsWith("access-control-"));
}

const ALLOWED_METHODS = "GET, POST, OPTIONS, DELETE, PUT, PATCH";
const MAX_AGE_SECONDS = "3600";

const ALLOWED_HEADERS = [
  "authorization",
  "accept",
  "content-type",
  "moosicbox-profile",
  "hx-boosted",
  "hx-current-url",
  "hx-history-restore-request",
  "hx-prompt",
  "hx-request",
  "hx-target",
  "hx-trigger-name",
  "hx-trigger",
].join(", ");

const EXPOSED_HEADERS = [
  "hx-location",
  "hx-push-url",
  "hx-redirect",
  "hx-refresh",
  "hx-replace-url",
  "hx-reswap",
  "hx-retarget",
  "hx-reselect",
  "hx-trigger",
  "hx-trigger-after-settle",
  "hx-trigger-after-swap",
].join(", ");

function isAllowed(origin: string | undefined, allowed: readonly string[] | null): origin is string {
  return origin !== undefined && (allowed === null || allowed.includes(origin));
}

/** Echoes the origin, because browsers refuse `*` together with credentials. The answer depends on it, so caches are told. */
function allowOrigin(origin: string): HeaderList {
  return [
    "access-control-allow-origin",
    origin,
    "access-control-allow-credentials",
    "true",
    "vary",
    "Origin",
  ];
}
