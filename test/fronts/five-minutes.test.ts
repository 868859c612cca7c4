/** The README's five minutes, command by command, on one machine that stands for both. */
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { expect, test } from "vitest";
import { blocksIn, commandsIn, readDocument } from "../docs/documents.ts";
import { run } from "../docs/shell.ts";
import { startOrigin } from "../helpers/origin.ts";
import { freePorts } from "../helpers/program.ts";
import { temporaryFolder } from "../helpers/tunnel.ts";
import { type Answer, read } from "../helpers/visitor.ts";
import { caddy, caddyAuthority, ofOwnAuthority, placed, runFront } from "./front.ts";

test("who does what the README says has a home on the internet", async () => {
  const [, section = ""] = readDocument("README.md").split("## Five minutes");
  const lines = commandsIn(section).map(({ line }) => line);
  const [install, makeToken = "", serve = "", invite = "", agent = "", letIn = "", ...rest] = lines;
  // Installing is a test of its own, test/docs/commands.test.ts.
  expect(install).toMatch(/^npm ci && npm install/);
  expect(rest).toEqual([]);

  const [[port, frontPort], [adminPort]] = [await freePorts(), await freePorts()];
  const here = temporaryFolder();
  await run(makeToken, { folder: here }).succeeded();
  await run(serve, {
    folder: here,
    environment: { PORT: String(port), ADMIN_PORT: String(adminPort) },
    replaced: { "tunnel.example.net": "localhost" },
  }).printed(/^listening on /m);

  const [caddyfile = ""] = blocksIn(section, "caddyfile");
  const replaced = {
    "127.0.0.1:8001": `127.0.0.1:${adminPort}`,
    "127.0.0.1:8000": `127.0.0.1:${port}`,
  };
  await runFront(caddy(ofOwnAuthority(placed(caddyfile, replaced), frontPort), here), here, frontPort);
  const authority = caddyAuthority(here);

  await run(invite, { folder: here }).succeeded();
  const home = temporaryFolder();
  copyFileSync(join(here, "home-invite"), join(home, "home-invite"));
  expect(existsSync(join(home, "culvert-token")), "the access token stays where it is").toBe(false);

  const origin = await startOrigin((request, response) => response.end(`you asked for ${request.url}`));
  // Nobody but this machine knows Caddy's own authority.
  const atHome = { HOME: home, CULVERT_SERVER_CA: authority };
  const running = run(agent, {
    folder: home,
    environment: atHome,
    replaced: {
      "https://tunnel.example.net": `https://localhost:${frontPort}`,
      "--to 3000": `--to ${origin.url}`,
    },
  });
  await running.printed(/^connected as my-home$/m);
  const link = await running.printed(/^open (\S+)$/m);
  expect(link).toBe(`https://my-home.localhost:${frontPort}/`);
  expect(section).toContain("https://my-home.tunnel.example.net/");

  const ask = (headers: Record<string, string>) =>
    new Promise<Answer>((resolve, reject) => {
      const { host, hostname } = new URL(link);
      const tls = { ca: readFileSync(authority), servername: hostname };
      const to = { host: "127.0.0.1", port: frontPort, agent: false, ...tls };
      const call = request({ ...to, headers: { host, ...headers } });
      call.once("error", reject);
      call.once("response", (response) => resolve(read(response)));
      call.end();
    });
  const page = await ask({ accept: "text/html" });
  expect(page.status).toBe(401);
  expect(page.body.toString()).toContain('type="password"');

  // Node reads the certificate that it is to trust besides from the environment, too.
  const token = await run(letIn, {
    folder: home,
    environment: { ...atHome, NODE_EXTRA_CA_CERTS: authority },
  }).succeeded();
  const answer = await ask({ authorization: `Bearer ${token.trim()}` });
  expect(answer.body.toString()).toBe("you asked for /");
});
