/** The two fields that make a message an upgrade to WebSocket (RFC 9110 section 7.8, RFC 6455 section 4). */
import type { HeaderList } from "./headers.ts";

/**
 * The list with the two fields, which are of one connection and were removed with the others of their kind. A visitor may
 * have named other protocols beside: a home that took one of those would talk past everything that holds for requests.
 */
export function upgradeFields(passed: HeaderList): HeaderList {
  return ["Upgrade", "websocket", "Connection", "Upgrade", ...passed];
}
