/** Fields by which one home would speak for all that share a web origin with it, on the ways by query and by path. */
import { type HeaderList, withoutHeaders } from "./headers.ts";

/** The list without those: a service worker for every path, and the deletion of what others have stored. */
export function withoutOriginWide(headers: HeaderList): HeaderList {
  return withoutHeaders(headers, (name) => ORIGIN_WIDE.has(name));
}

const ORIGIN_WIDE: ReadonlySet<string> = new Set(["service-worker-allowed", "clear-site-data"]);
