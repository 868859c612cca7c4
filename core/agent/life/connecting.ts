/** A handshake that got no answer. */
import type { AgentEffect } from "../../effects.ts";
import type { ConnectFault } from "../../events.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import type { AgentState } from "../state.ts";
import { linkOn } from "./links.ts";
import { failToConnect } from "./retry.ts";
import { troubleOf } from "./trouble.ts";

export function onSocketFailed(
  state: AgentState,
  socket: SocketId,
  fault: ConnectFault,
  out: Outbox<AgentEffect>,
): void {
  const link = linkOn(state, socket);
  if (link?.life.phase === "connecting") failToConnect(state, link, troubleOf(fault), out);
}
