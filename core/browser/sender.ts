/**
 * Whose page a browser's request comes from, as the browser itself says: by Fetch Metadata (`Sec-Fetch-*`, W3C), which no page
 * can set, else by `Origin` (RFC 6454 section 7.3). Homes of one domain are of one *site* to a browser, and it sends their cookies
 * along with one another's requests: so it is the origin that counts.
 */
import { type HeaderList, headerValue } from "../http/headers.ts";
import { parseReference, type Site, sharesHost } from "../http/site.ts";

/** `own`: a page of this very origin, or the person himself. `unknown`: the browser says nothing, as old ones do. */
export type Sender = "own" | "other" | "unknown";

export function senderOf(headers: HeaderList, site: Site): Sender {
  const told = headerValue(headers, "sec-fetch-site");
  if (told !== undefined) return told === "same-origin" || told === "none" ? "own" : "other";
  const origin = headerValue(headers, "origin");
  if (origin === undefined) return "unknown";
  const reference = parseReference(origin);
  return reference?.host != null && sharesHost(reference, site) ? "own" : "other";
}

/** Whether it fetches a page to be shown: who follows a link from elsewhere may be whom he is here. */
export function isNavigation(method: string, headers: HeaderList): boolean {
  return (method === "GET" || method === "HEAD") && headerValue(headers, "sec-fetch-mode") === "navigate";
}
