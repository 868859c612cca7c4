/** Errors lead people to the page that says what to do, whichever end they begin at. */
import { expect, test } from "vitest";
import { type Protocol, startAgent, startServer, startTunnel } from "../helpers/tunnel.ts";
import { ask } from "../helpers/visitor.ts";

const PAGE = "https://docs.example.org/errors.html";
const FLAG = `--docs-url=${PAGE}`;

test("an error of the server leads to its section", async () => {
  const server = await startServer({ flags: [FLAG] });
  const url = `${server.url}/page?clientId=nobody`;
  expect(JSON.parse((await ask(url)).body.toString()).type).toBe(`${PAGE}#unauthorized`);
  const page = (await ask(url, { headers: { accept: "text/html" } })).body.toString();
  expect(page).toContain(`href="${PAGE}#unauthorized"`);
});

test.each<Protocol>(["native", "moosicbox"])("an error of an agent, too, over %s", async (protocol) => {
  const server = await startServer();
  // Nobody listens on the discard port of a machine of ours.
  const agent = await startAgent(server, "http://127.0.0.1:9", { protocol, flags: [FLAG] });
  const headers = { authorization: `Bearer ${await server.register(agent.clientId)}` };
  const answer = await ask(`${server.url}/page?clientId=${agent.clientId}`, { headers });
  expect(JSON.parse(answer.body.toString()).type).toBe(`${PAGE}#origin_refused`);
});

test("errors lead nowhere unless they are told where", async () => {
  const tunnel = await startTunnel((_request, response) => response.end());
  const answer = await ask(`${tunnel.server.url}/page?clientId=nobody`);
  expect(JSON.parse(answer.body.toString()).type).toBe("about:blank");
});
