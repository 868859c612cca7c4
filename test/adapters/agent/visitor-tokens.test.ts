/** What `culvert token` asks a server, by the settings that a person gives it. */
import { writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { listVisitorTokens } from "../../../adapters/agent/visitor-tokens.ts";
import { readTokenConfig } from "../../../adapters/settings/credentials.ts";
import { temporaryFolder } from "../../helpers/tunnel.ts";
import { listen } from "../listen.ts";
import { createCertificate } from "../origin/certificate.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean();
});

const TOKENS = [{ name: "phone", createdMs: 1, expiresMs: null }];

const answer: http.RequestListener = (request, response) => {
  const isAsked = request.url === "/auth/visitor-tokens?clientId=home";
  response.statusCode = isAsked && request.headers.authorization === "Bearer s3cret" ? 200 : 400;
  response.end(JSON.stringify({ tokens: TOKENS }));
};

function fileWith(text: string): string {
  const file = join(temporaryFolder(), "file");
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

function list(server: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const settings = [`--server=${server}`, "--client-id=home", `--client-token-file=${fileWith("s3cret")}`];
  const config = readTokenConfig("token list", [...settings, ...args], environment);
  return listVisitorTokens({ ...config, stateFile: "none" });
}

test("a server of a private authority is asked where its certificate is given, and else nothing is shown to it", async () => {
  const certificate = createCertificate();
  const url = `https://${await listen(https.createServer(certificate, answer), cleanups)}`;
  expect(await list(url, [`--server-ca=${fileWith(certificate.cert)}`])).toEqual(TOKENS);
  await expect(list(url, [])).rejects.toThrow(/nobody whom this machine trusts.*--server-ca FILE/);
});

test("the proxy of the agent is on the way, by flag or variable", async () => {
  const asked: string[] = [];
  const proxy = http.createServer();
  proxy.on("connect", ({ url = "" }, socket) => {
    asked.push(url);
    socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
  });
  const url = `http://${await listen(proxy, cleanups)}`;
  await expect(list("http://tunnel.test", [`--proxy=${url}`])).rejects.toThrow(/proxy/);
  await expect(list("http://tunnel.test", [], { HTTP_PROXY: url })).rejects.toThrow(/proxy/);
  expect(asked).toEqual(["tunnel.test:80", "tunnel.test:80"]);
});

test("an answer that is cut off, and no answer at all, are told in a line without the token", async () => {
  const server = http.createServer((_request, response) => {
    response.writeHead(200, { "content-length": "9" });
    response.write("{", () => response.destroy());
  });
  const cut = `http://${await listen(server, cleanups)}`;
  await expect(list(cut, [])).rejects.toThrow(/^the connection was cut/);
  const nobody = http.createServer();
  const gone = `http://${await listen(nobody, cleanups)}`;
  nobody.close();
  await expect(list(gone, [])).rejects.toThrow(
    /^nothing takes connections at the server's port: (?!.*s3cret)/,
  );
});
