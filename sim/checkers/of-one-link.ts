import type { HomeSpec } from "../scenario/scenario.ts";

/** The home whose agent keeps several links, if that process is such; `links_kept` and `own_tickets` look after those. */
export function homeOfLinks(homes: readonly HomeSpec[], name: string): HomeSpec | null {
  return (
    homes.find(({ clientId, links }) => links !== undefined && name.startsWith(`agent:${clientId}`)) ?? null
  );
}
