/** Counts what all sockets of this process give to the kernel from now on: each count is a system call. */
import { Socket } from "node:net";
import { vi } from "vitest";

/** The test restores all mocks when it is over. */
export function countWrites(): { count(): number } {
  const spies = (["_write", "_writev"] as const).map((method) => vi.spyOn(Socket.prototype, method));
  return { count: () => spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0) };
}
