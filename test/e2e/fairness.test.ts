/** One visitor who takes nothing costs the others nothing: processes as people start them, and the native protocol. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { clientTokenIn, startAgent, startServer } from "../demo/culvert.ts";
import { bodyOf, MIB, sha256Of } from "../helpers/bodies.ts";
import { startOrigin } from "../helpers/origin.ts";
import { DOMAIN, HOST } from "../helpers/passage.ts";
import { connect } from "../helpers/raw-http.ts";
import { startServer as startServerInside, temporaryFolder, visitorsOf } from "../helpers/tunnel.ts";
import { open } from "../helpers/visitor.ts";
import { WireAgent } from "../helpers/wire-agent.ts";

const OTHERS = 49;
const SONG_BYTES = 8 * MIB;

/** More than what the kernel's buffers and the windows on the way can swallow. */
const STALLED_BYTES = 64 * MIB;

/** Of the issue: for each of the two processes, at its peak. */
const RESIDENT_BYTES_MAX = 200 * MIB;

test("T11: with one of fifty downloads stalled the others come whole, both processes stay below 200 MiB, and the stalled one loses nothing", async () => {
  const stalledAtOrigin = Promise.withResolvers<ServerResponse>();
  const origin = await startOrigin((request, response) => {
    const isStalled = request.url?.startsWith("/stalled") === true;
    if (isStalled) stalledAtOrigin.resolve(response);
    Readable.from(bodyOf(isStalled ? STALLED_BYTES : SONG_BYTES)).pipe(response);
  });
  const server = await startServer();
  onTestFinished(() => server.child.stop());
  const stateFile = join(temporaryFolder(), "agent.json");
  const agent = await startAgent({ server, to: origin.url, clientId: "home", stateFile, protocol: "native" });
  onTestFinished(() => agent.stop());
  const clientToken = clientTokenIn(stateFile);
  const visitors = visitorsOf(server, "home", clientToken);
  const download = (path: string) =>
    open(server.url + visitors.target(path), { headers: { authorization: `Bearer ${clientToken}` } });

  const stalled = await download("/stalled");
  await once(stalled, "readable");
  const songHash = await sha256Of(bodyOf(SONG_BYTES));
  const hashes = await Promise.all(
    Array.from({ length: OTHERS }, async () => sha256Of(await download("/song"))),
  );
  expect(hashes).toEqual(hashes.map(() => songHash));
  expect((await stalledAtOrigin.promise).writableFinished).toBe(false);
  for (const { pid } of [server.child, agent]) expect(peakBytes(pid)).toBeLessThan(RESIDENT_BYTES_MAX);

  expect(await sha256Of(stalled)).toBe(await sha256Of(bodyOf(STALLED_BYTES)));
  expect(stalled.complete).toBe(true);
  expect(origin.requests).toHaveLength(OTHERS + 1);
  for (const { pid } of [server.child, agent]) expect(peakBytes(pid)).toBeLessThan(RESIDENT_BYTES_MAX);
});

test("T11: what begins beside two hundred event streams that say nothing may send as much ahead as what begins alone", async () => {
  const server = await startServerInside({ flags: [`--domain=${DOMAIN}`] });
  const agent = await WireAgent.connect(server);
  const ask = async () => {
    const visitor = connect(server.port);
    visitor.send("GET /song HTTP/1.1", HOST, "", "");
    return { visitor, exchange: await agent.request() };
  };
  const creditOfNext = async () => {
    const { visitor, exchange } = await ask();
    agent.reply(exchange, "served");
    await visitor.untilText("served");
    visitor.leave();
    return agent.creditOf(exchange);
  };
  const alone = await creditOfNext();
  for (let index = 0; index < 200; index++) {
    const { visitor, exchange } = await ask();
    agent.begin(exchange);
    await visitor.untilText("\r\n\r\n");
  }
  await expect.poll(creditOfNext).toBe(alone);
});

/** The most that a process was ever resident with. */
function peakBytes(pid: number): number {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]) * 1024;
}
