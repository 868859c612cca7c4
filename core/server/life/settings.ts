/**
 * Settings that were read anew while the server runs. What it looks at each time holds from now on; what it has told to agents, and
 * what else is built upon, holds from the next start on.
 */
import type { ServerEffect } from "../../effects.ts";
import { LIVE_SERVER_LIMITS } from "../../limits.ts";
import type { Outbox } from "../../outbox.ts";
import { changedNames, liveLimits, picked } from "../../settings/changes.ts";
import type { ServerSettings } from "../config.ts";
import { parseProxies } from "../routing/proxies.ts";
import type { ServerState } from "../state/server.ts";

const LIVE = [
  "corsOrigins",
  "hostnames",
  "queryTokens",
  "registerAgain",
  "trustedProxies",
  "docsUrl",
] as const;

/** The welcome tells agents where their homes are found, and what they print goes on leading there. */
const AT_START = ["domain", "pathRouting"] as const;

export function onSettingsChanged(
  state: ServerState,
  settings: ServerSettings,
  out: Outbox<ServerEffect>,
): void {
  const { config } = state;
  const changed = changedNames(config, settings, LIVE);
  const waiting = changedNames(config, settings, AT_START);
  const limits = liveLimits(config.limits, settings.limits, LIVE_SERVER_LIMITS);
  state.config = { ...config, ...picked(settings, LIVE), limits: limits.limits };
  if (changed.includes("trustedProxies")) {
    state.trustedProxies = parseProxies(settings.trustedProxies);
    // Another proxy may have brought the latest visitor, and another address is his.
    state.latestAddress = { peer: "", address: "" };
    out.push({ type: "proxies_trust", proxies: state.trustedProxies });
  }
  out.push({
    type: "report",
    report: {
      type: "settings_changed",
      changed: [...changed, ...limits.changed],
      waiting: [...waiting, ...limits.waiting],
    },
  });
}
