import type { CallId, ExchangeId, SocketId } from "../../ids.ts";

/** Whose deadline a timer is. */
export type TimerOwner =
  | { readonly kind: "exchange"; readonly exchange: ExchangeId }
  | { readonly kind: "heartbeat"; readonly socket: SocketId }
  | { readonly kind: "pause"; readonly socket: SocketId }
  | { readonly kind: "hello"; readonly socket: SocketId }
  | { readonly kind: "grace"; readonly clientId: string }
  | { readonly kind: "pump"; readonly clientId: string }
  | { readonly kind: "seek"; readonly clientId: string }
  | { readonly kind: "call"; readonly call: CallId }
  | { readonly kind: "lease" }
  | { readonly kind: "sweep" }
  | { readonly kind: "drain" };
