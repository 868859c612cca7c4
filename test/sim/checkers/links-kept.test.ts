import { describe, expect, test } from "vitest";
import type { SocketId } from "../../../core/ids.ts";
import { linksKept } from "../../../sim/checkers/links-kept.ts";
import { ownTickets } from "../../../sim/checkers/own-tickets.ts";
import { greeting, KIND } from "../../../sim/wire/native.ts";
import { busyScenario } from "../scenarios.ts";
import { second, sends, socket } from "./session-steps.ts";
import { type AgentStep, Shows, tick } from "./steps.ts";

const third = 3 as SocketId;
const homes = busyScenario([]).homes.map((home) => ({ ...home, links: 2 }));

function dials(nowMs: number, over: SocketId, linked?: string): AgentStep {
  const headers = linked === undefined ? [] : ["culvert-linked", linked];
  return [
    nowMs,
    tick,
    { type: "socket_connect", socket: over, target: "/ws", headers, protocols: ["culvert.1"] },
  ];
}

function welcomed(nowMs: number, over: SocketId, node: string, ticket = "t"): AgentStep {
  const bytes = greeting(KIND.welcome, { ticket, resumed: false, graceMs: 1, node });
  return [nowMs, { type: "socket_bytes", socket: over, bytes }];
}

const told: AgentStep = [
  3,
  { type: "socket_bytes", socket, bytes: greeting(KIND.nodes, { nodes: ["two", "three"] }) },
];
const met: AgentStep = [
  4,
  { type: "socket_refused", socket: second, status: 409, body: '{"code":"already_linked"}' },
];
const leaves = { type: "socket_close", socket, code: 1000, reason: "" } as const;
const connected = [dials(1, socket), welcomed(2, socket, "one")];

describe("links_kept", () => {
  test.each<readonly [string, number, AgentStep[]]>([
    ["one link, of a node that tells of no others", 0, [...connected, [200_000, tick], [400_000, tick]]],
    ["a dial in time, which names the link", 0, [...connected, told, dials(60_000, second, "one")]],
    ["no dial for a second link", 1, [...connected, told, [1_000, tick], [200_000, tick]]],
    ["a dial that does not name the link", 1, [...connected, told, dials(60_000, second)]],
    [
      "no dial for a link that was lost",
      1,
      [
        ...connected,
        told,
        dials(4, second, "one"),
        welcomed(5, second, "two"),
        [6, { type: "socket_closed", socket: second, code: 1006, reason: "" }],
        [7, tick],
        [200_000, tick],
      ],
    ],
    [
      "no third link",
      0,
      [
        ...connected,
        told,
        dials(4, second, "one"),
        welcomed(5, second, "two"),
        [200_000, tick],
        [400_000, tick],
      ],
    ],
    [
      "a dial for a link whose server leaves",
      0,
      [
        ...connected,
        [5, { type: "socket_bytes", socket, bytes: new Uint8Array([KIND.drain, ...Array(11).fill(0)]) }],
        dials(6, second),
      ],
    ],
    ["a link kept at a meeting", 0, [...connected, told, dials(3, second, "one"), met]],
    ["a link left at a meeting", 1, [...connected, told, dials(3, second, "one"), [met[0], met[1], leaves]]],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(new Shows(linksKept, { scenario: { homes } }).agent(steps).found).toHaveLength(violations);
    expect(new Shows(linksKept).agent(steps).found).toHaveLength(0);
  });
});

describe("own_tickets, of an agent with several links", () => {
  const hello = (over: SocketId, ticket: string | null) =>
    [
      1,
      { type: "socket_opened", socket: over, protocol: "culvert.1" },
      sends(greeting(KIND.hello, { window: 1, ticket }), over),
    ] as const;
  const lost = (over: SocketId): AgentStep => [
    3,
    { type: "socket_closed", socket: over, code: 1006, reason: "" },
  ];
  const both: AgentStep[] = [
    hello(socket, null),
    welcomed(2, socket, "one", "a"),
    hello(second, null),
    welcomed(2, second, "two", "b"),
  ];

  test.each<readonly [string, number, AgentStep[]]>([
    ["each ticket when its link is lost", 0, [lost(socket), hello(third, "a")]],
    ["the ticket of the link that is there", 1, [lost(socket), hello(third, "b")]],
    [
      "a ticket that was shown and replaced",
      1,
      [lost(socket), hello(third, "a"), welcomed(4, third, "one", "c"), lost(third), hello(socket, "a")],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    const shows = new Shows(ownTickets, { scenario: { homes } }).agent([...both, ...steps]);
    expect(shows.found).toHaveLength(violations);
  });
});
