import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createLog, createLogger, type Logger } from "../../../adapters/operator/log.ts";
import { createAgentReportLog, createServerReportLog } from "../../../adapters/operator/report-log.ts";
import type { ExchangeOutcome } from "../../../core/failure.ts";
import type { ExchangeId, SocketId } from "../../../core/ids.ts";
import type { ServerReport } from "../../../core/report.ts";

const CANARY = "canary-secret-5d1f";

let lines: string[];
let logger: Logger;

beforeEach(() => {
  lines = [];
  logger = createLogger("debug", { write: (line) => lines.push(line) });
});

function entries(): Record<string, unknown>[] {
  return lines.map((line) => JSON.parse(line));
}

describe("the log", () => {
  test.each([
    ["a field", { authorization: CANARY }],
    ["a nested field", { headers: { authorization: CANARY, cookie: CANARY } }],
    ["a deeper field", { a: { b: { token: CANARY } } }],
    ["a WebSocket target", { target: `/ws?x=${CANARY}` }],
    ["a query", { detail: `GET /ws?clientId=C&signature=${CANARY}&sender=true` }],
    ["a query in another case", { detail: `/auth/magic-token?magicToken=${CANARY}` }],
    ["a bearer token", { detail: `sent Bearer ${CANARY}` }],
    ["a URL with a password", { detail: `mysql://culvert:${CANARY}@db:3306/culvert` }],
    ["an error's message", { err: new Error(`connect to /ws?signature=${CANARY} failed`) }],
  ])("never shows the secret in %s (A14)", (_place, fields) => {
    logger.error(fields, "message");
    logger.error(`in the message: ?signature=${CANARY}`);
    expect(lines.join("")).not.toContain(CANARY);
    expect(entries()).toHaveLength(2);
  });

  test("leaves all else readable", () => {
    logger.info({ detail: "tokens: 3, https://tunnel.example.org:8000/x?clientId=home" }, "message");
    expect(entries()).toMatchObject([
      { detail: "tokens: 3, https://tunnel.example.org:8000/x?clientId=home", msg: "message" },
    ]);
  });
});

describe("the form of the log", () => {
  const written = (logFormat: "text" | "json" | null, isTerminal: boolean): string => {
    const written: string[] = [];
    const output = { isTerminal, write: (line: string) => written.push(line), flush: () => {} };
    createLog({ logLevel: "info", logFormat }, output).warn({ port: 8000 }, "look");
    return written.join("");
  };

  test.each([
    ["where nothing is said and nobody watches", null, false],
    ["on a terminal that wants it", "json", true],
  ] as const)("is JSON with the time in ISO 8601 and the level's name %s", (_when, format, isTerminal) => {
    const { level, time, msg, port } = JSON.parse(written(format, isTerminal));
    expect({ level, msg, port }).toEqual({ level: "warn", msg: "look", port: 8000 });
    expect(new Date(time).toISOString()).toBe(time);
  });

  test("is text without colours where a file wants it", () => {
    expect(written("text", false)).toMatch(/^\[\d{4}-\d\d-\d\dT[\d:.]+Z\] WARN: look \{"port":8000\}\n$/);
  });

  test("is text with the time of day on a terminal", () => {
    expect(written(null, true)).toMatch(/^\[\d\d:\d\d:\d\d\.\d{3}\] .*look/);
  });
});

describe("reports in the log", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("become one line each, with their fields", () => {
    createServerReportLog(logger).write({
      type: "tunnel_accepted",
      socket: socketId(3),
      clientId: "home",
      protocol: "native",
    });
    createAgentReportLog(logger).write({
      type: "retrying",
      inMs: 5000,
      cause: "refused",
      next: "look",
      detail: null,
      level: "warn",
    });
    expect(entries()).toMatchObject([
      { level: "info", msg: "tunnel accepted", socket: 3, clientId: "home" },
      { level: "warn", msg: "trying again", inMs: 5000, cause: "refused", next: "look" },
    ]);
  });

  test("are sampled in a flood, which is told in one line a second later (R06)", () => {
    const log = createServerReportLog(logger);
    for (let index = 0; index < 10_000; index++) log.write(exchangeEnded("completed"));
    expect(lines).toHaveLength(50);
    vi.advanceTimersByTime(1_000);
    expect(entries().at(-1)).toMatchObject({
      msg: "lines left out",
      kind: "exchange_ended completed",
      omitted: 9_950,
    });
    log.write(exchangeEnded("completed"));
    expect(entries().at(-1)).toMatchObject({ msg: "exchange ended" });
  });

  test("of failures are not hidden by a flood of successes", () => {
    const log = createServerReportLog(logger);
    for (let index = 0; index < 1_000; index++) log.write(exchangeEnded("completed"));
    log.write(exchangeEnded("agent_lost"));
    expect(entries().at(-1)).toMatchObject({ level: "warn", outcome: "agent_lost" });
  });

  test("that were left out are told when the log closes", () => {
    const log = createServerReportLog(logger);
    for (let index = 0; index < 51; index++) log.write(exchangeEnded("completed"));
    log.close();
    expect(entries().at(-1)).toMatchObject({ omitted: 1 });
    expect(vi.getTimerCount()).toBe(0);
  });
});

function socketId(value: number): SocketId {
  return value as SocketId;
}

function exchangeEnded(outcome: ExchangeOutcome): ServerReport {
  return {
    type: "exchange_ended",
    exchange: 1 as ExchangeId,
    requestId: 1_000_001,
    clientId: "home",
    method: "GET",
    status: 200,
    outcome,
    bytesOut: 64,
    durationMs: 3,
  };
}
