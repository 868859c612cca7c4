import { describe, expect, test } from "vitest";
import { ownTickets } from "../../../sim/checkers/own-tickets.ts";
import { greeting, KIND } from "../../../sim/wire/native.ts";
import { second, sends, socket } from "./session-steps.ts";
import { type AgentStep, Shows } from "./steps.ts";

const hello = (ticket: string | null) => greeting(KIND.hello, { window: 1, ticket });

function opens(over: typeof socket, ticket: string | null): AgentStep {
  return [1, { type: "socket_opened", socket: over, protocol: "culvert.1" }, sends(hello(ticket), over)];
}

function welcomed(over: typeof socket, ticket: string): AgentStep {
  const bytes = greeting(KIND.welcome, { ticket, resumed: false, graceMs: 1 });
  return [2, { type: "socket_bytes", socket: over, bytes }];
}

const lost: AgentStep = [3, { type: "socket_closed", socket, code: 1006, reason: "" }];
const rejects: AgentStep = [
  2,
  { type: "socket_bytes", socket, bytes: greeting(KIND.welcome, { ticket: "b" }) },
  { type: "socket_close", socket, code: 1002, reason: "" },
];

describe("own_tickets", () => {
  test.each<readonly [string, number, AgentStep[]]>([
    ["no ticket for a second link", 0, [welcomed(socket, "a"), opens(second, null)]],
    ["its ticket when the link is lost", 0, [welcomed(socket, "a"), lost, opens(second, "a")]],
    ["a ticket whose link is there", 1, [welcomed(socket, "a"), opens(second, "a")]],
    ["a ticket of before", 1, [welcomed(socket, "a"), lost, opens(second, "x")]],
    ["the ticket of a welcome that it did not take", 1, [rejects, opens(second, "b")]],
  ])("%s: %i violations", (_name, violations, steps) => {
    const shows = new Shows(ownTickets).agent([opens(socket, null), ...steps]);
    expect(shows.found).toHaveLength(violations);
  });
});
