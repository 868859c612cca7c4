/**
 * Settings that were read anew while the agent runs. They hold for the requests that come from now on. Who may visit is told in the
 * handshake, so that the tunnel is left and made anew: a session goes on over the next one, and nobody notices. Over MoosicBox's
 * protocol what runs would be lost with the tunnel, and the server is told when that is made anew for another reason.
 */
import type { AgentEffect } from "../../effects.ts";
import { LIVE_AGENT_LIMITS } from "../../limits.ts";
import type { Outbox } from "../../outbox.ts";
import { changedNames, liveLimits } from "../../settings/changes.ts";
import type { AgentSettings } from "../config.ts";
import type { AgentState, Link } from "../state.ts";
import { dropTunnel } from "./life.ts";
import { retry } from "./retry.ts";

const LIVE = ["origins", "hostHeader", "headers", "exitOnError", "docsUrl"] as const;

export function onSettingsChanged(
  state: AgentState,
  settings: AgentSettings,
  out: Outbox<AgentEffect>,
): void {
  const { config } = state;
  const [{ life }] = state.links;
  const changed = changedNames(config, settings, LIVE);
  const waiting = changedNames(config, settings, ["protocol"]);
  const limits = liveLimits(config.limits, settings.limits, LIVE_AGENT_LIMITS);
  const { access, origins, hostHeader, headers, exitOnError, docsUrl } = settings;
  state.config = {
    ...config,
    access,
    origins,
    hostHeader,
    headers,
    exitOnError,
    docsUrl,
    limits: limits.limits,
  };
  const isNew = access !== config.access;
  const isTold = life.phase !== "connected" || life.tunnel.protocol === "native";
  if (isNew) (isTold ? changed : waiting).push("access");
  out.push({
    type: "report",
    report: {
      type: "settings_changed",
      changed: [...changed, ...limits.changed],
      waiting: [...waiting, ...limits.waiting],
    },
  });
  if (!isNew) return;
  // What a signature opens cannot say who may visit: whether one is needed is found out anew.
  state.showsSignature = false;
  state.signatureToken = null;
  for (const link of [...state.links]) tellAnew(state, link, out);
}

function tellAnew(state: AgentState, link: Link, out: Outbox<AgentEffect>): void {
  const { life } = link;
  switch (life.phase) {
    case "connected":
      if (life.tunnel.protocol === "native") dropTunnel(state, life.tunnel, CAUSE, out);
      break;
    case "connecting":
    case "greeting":
      out.push({ type: "socket_terminate", socket: life.socket });
      retry(state, link, "answers", CAUSE, out);
      break;
    case "signing":
      retry(state, link, "answers", CAUSE, out);
      break;
    default:
      // No handshake has said anything yet, or none will any more.
      break;
  }
}

const CAUSE = "who may visit has changed";
