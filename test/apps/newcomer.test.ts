/** Somebody with nothing but the README: a server, an agent, the link that it prints, and a browser. */
import { once } from "node:events";
import http from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { portOf } from "../helpers/origin.ts";
import { type Program, startProgram, startServerProgram } from "../helpers/program.ts";
import { temporaryFolder } from "../helpers/tunnel.ts";
import { openBrowser } from "./tools/browser.ts";
import { DOMAIN } from "./tools/fronts.ts";

const FLAGS = [`--host-resolver-rules=MAP *.${DOMAIN} 127.0.0.1`];

async function startHome(...flags: readonly string[]) {
  const service = http.createServer((request, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html><title>home</title><p>come in</p><p>${request.url}</p>`);
  });
  await once(service.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    service.close();
    service.closeAllConnections();
  });
  const server = await startServerProgram({ flags: [`--domain=${DOMAIN}`] });
  const environment = { HOME: temporaryFolder() };
  const to = `http://127.0.0.1:${portOf(service)}`;
  const agent = startProgram(["agent", "--server", server.url, "--to", to, ...flags], { environment });
  const link = await printed(agent, /^open (http:\S+\/)$/m);
  const browser = await openBrowser({ url: link.replace(/\/$/, ""), flags: FLAGS });
  return {
    browser,
    text: () => browser.evaluate("document.body.innerText"),
    culvert: async (...args: readonly string[]) => {
      const command = startProgram([...args], { environment });
      expect(await command.ended).toBe(0);
      return await printed(command, /^(\S+)$/m);
    },
  };
}

async function printed(program: Program, pattern: RegExp): Promise<string> {
  await expect.poll(() => program.output(), { interval: 20 }).toMatch(pattern);
  return pattern.exec(program.output())?.[1] ?? "";
}

test("the link that an agent with --access public prints opens the service", async () => {
  const { browser, text } = await startHome("--access", "public");
  await browser.open("/");
  expect(await text()).toBe("come in\n\n/");
});

test("by the default the link opens a page to sign in, and the token that the agent's text tells how to make opens the service", async () => {
  const { browser, text, culvert } = await startHome();
  await browser.open("/deep/page?a=1");
  expect(await text()).not.toContain("come in");
  const token = await culvert("token", "create", "--name", "phone");
  const signIn = (value: string) =>
    browser.evaluate(`(() => {
      const field = document.querySelector("form input:not([type=hidden])");
      field.value = ${JSON.stringify(value)};
      field.form.requestSubmit();
    })()`);
  await signIn("a wrong one");
  await expect.poll(text).toMatch(/not (?:right|good|valid)|wrong/i);
  await signIn(token);
  await expect.poll(text).toBe("come in\n\n/deep/page?a=1");
  await browser.open("/.well-known/culvert/sign-out");
  await browser.evaluate(`document.querySelector("form").requestSubmit()`);
  await expect.poll(text).toContain("Sign in");
  await browser.open("/");
  expect(await text()).not.toContain("come in");
});
