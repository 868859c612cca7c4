/** A handshake that got no answer. */
import type { AgentEffect } from "../../effects.ts";
import type { ConnectFault } from "../../events.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import type { AgentState } from "../state.ts";
import { failToConnect } from "./retry.ts";
import { troubleOf } from "./trouble.ts";

export function onSocketFailed(
  state: AgentState,
  socket: SocketId,
  fault: ConnectFault,
  out: Outbox<AgentEffect>,
): void {
  const { life } = state;
  if (life.phase === "connecting" && life.socket === socket) failToConnect(state, troubleOf(fault), out);
}
