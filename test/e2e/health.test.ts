/** `culvert health`, as a supervisor calls it. */
import { once } from "node:events";
import { createServer } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { freePorts, startProgram, startServerProgram } from "../helpers/program.ts";

const environment = { TUNNEL_ACCESS_TOKEN: undefined };

test("exits with 0 where the server is well", async () => {
  const { adminUrl } = await startServerProgram();
  const asked = startProgram(["health", `--admin-port=${new URL(adminUrl).port}`], { environment });
  expect(await asked.ended).toBe(0);
  expect(asked.output()).toBe("");
});

test("finds the server by the variables that the server reads, on all addresses too", async () => {
  const { adminUrl } = await startServerProgram({ flags: ["--admin-bind=0.0.0.0"] });
  const variables = { ADMIN_PORT: new URL(adminUrl).port, ADMIN_BIND: "0.0.0.0" };
  expect(await startProgram(["health"], { environment: { ...environment, ...variables } }).ended).toBe(0);
});

test("exits with 1 and says why where no server answers", async () => {
  const [port] = await freePorts();
  const asked = startProgram(["health", `--admin-port=${port}`], { environment });
  expect(await asked.ended).toBe(1);
  expect(asked.output()).toMatch(/^culvert: no server answers on port \d+ of 127\.0\.0\.1: see --admin-port/);
});

test.each([
  ["stalls", () => {}],
  ["fails", (response: { writeHead(status: number): { end(): void } }) => response.writeHead(500).end()],
] as const)("exits with 1 where the server %s", async (_how, answer) => {
  const server = createServer((_request, response) => answer(response));
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  expect(await startProgram(["health", `--admin-port=${port}`], { environment }).ended).toBe(1);
});
