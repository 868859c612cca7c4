import type { SocketOperation } from "../scenario/scenario.ts";

/** A visitor's own WebSocket, and what came of it so far. */
export type SeenVisitorSocket = {
  readonly operation: SocketOperation;
  readonly clientId: string;
  readonly opened: boolean;
  /** Messages that it sent, and answers to them that it got. */
  readonly asked: number;
  readonly answered: number;
  /** The close code; null while it is there. */
  readonly closedCode: number | null;
};
