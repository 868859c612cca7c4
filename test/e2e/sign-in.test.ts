/** A person with a browser at a home that wants a token: what goes over the wire from the page to the way out. */
import { readFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { revoke } from "../../adapters/operator/revoke.ts";
import { hashPassword } from "../../adapters/server/passwords.ts";
import { readRevokeConfig } from "../../adapters/settings/revoke.ts";
import { startOrigin } from "../helpers/origin.ts";
import { DOMAIN } from "../helpers/passage.ts";
import {
  type Server,
  type ServerOptions,
  startAgent,
  startServer,
  temporaryFolder,
} from "../helpers/tunnel.ts";
import { type Answer, ask } from "../helpers/visitor.ts";

const SIGN_IN = "/.well-known/culvert/sign-in";
const SIGN_OUT = "/.well-known/culvert/sign-out";
const HTML = { accept: "text/html,*/*;q=0.8" };

/** A home of its own name, and below `/t/`, whose service says what it was told. */
async function startHome(
  flags: readonly string[] = [],
  serverFlags: readonly string[] = [],
  options: ServerOptions = {},
) {
  const stateFile = join(temporaryFolder(), "agent.json");
  const ways = [`--domain=${DOMAIN}`, "--path-routing=on"];
  const server = await startServer({ ...options, flags: [...ways, ...serverFlags] });
  const origin = await startOrigin((request, response) => {
    response.setHeader("set-cookie", ["culvert-session=evil; Path=/", "own=1"]);
    response.end(JSON.stringify(request.headers));
  });
  await startAgent(server, origin.url, { protocol: "native", flags, stateFile });
  const { clientToken } = JSON.parse(readFileSync(stateFile, "utf8"));
  return { server, token: String(clientToken), browser: browserAt(server, `home.${DOMAIN}`) };
}

/** Keeps cookies as a browser does, but asks nobody before it sends them. */
function browserAt(server: Server, host: string, secure = false) {
  const jar = new Map<string, string>();
  const proto = secure ? { "x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.9" } : {};
  async function send(path: string, options: Parameters<typeof ask>[1] = {}): Promise<Answer> {
    const cookie = ["app=2", ...[...jar].map((pair) => pair.join("="))].join("; ");
    const headers = { host, cookie, ...proto, ...options.headers };
    const answer = await ask(`${server.url}${path}`, { ...options, headers });
    for (const line of answer.headers["set-cookie"] ?? []) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (/max-age=0/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    return answer;
  }
  return {
    jar,
    get: (path: string, headers: Record<string, string> = HTML) => send(path, { headers }),
    post: (path: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
      send(path, {
        method: "POST",
        headers: {
          origin: `${secure ? "https" : "http"}://${host}`,
          "content-type": "application/x-www-form-urlencoded",
          ...headers,
        },
        body: String(new URLSearchParams(form)),
      }),
  };
}

/** The fields that the service was told, by their lower-case names. */
function told(answer: Answer): Record<string, string> {
  expect(answer.status).toBe(200);
  return JSON.parse(answer.body.toString());
}

describe("a browser", () => {
  test("is asked for a token, shows it once, and is let in until it signs out", async () => {
    const { token, browser } = await startHome();
    const page = await browser.get("/music?x=1");
    expect(page.status).toBe(401);
    expect(page.body.toString()).toContain(`<form method="post" action="${SIGN_IN}">`);
    const wrong = await browser.post(SIGN_IN, { token: "wrong", to: "/music?x=1" });
    expect(wrong.status).toBe(401);
    expect(wrong.body.toString()).toContain("That token is not good here");
    const signedIn = await browser.post(SIGN_IN, { token, to: "/music?x=1" });
    expect(signedIn.status).toBe(303);
    expect(signedIn.headers.location).toBe("/music?x=1");
    expect(signedIn.headers["set-cookie"]?.[0]).toMatch(
      /^culvert-session=[\w.]+; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Lax$/,
    );
    const answer = await browser.get("/music?x=1", { ...HTML, authorization: "Bearer of the application" });
    expect(told(answer)).toMatchObject({ cookie: "app=2", authorization: "Bearer of the application" });
    expect(answer.headers["set-cookie"]).toEqual(["own=1"]);
    expect((await browser.post(SIGN_OUT, {})).headers.location).toBe(SIGN_IN);
    expect(browser.jar.has("culvert-session")).toBe(false);
    expect((await browser.get("/music")).status).toBe(401);
  });

  test("shows a password once, and then leaves Authorization to an application with tokens of its own", async () => {
    const { browser } = await startHome([`--access=basic:me:${await hashPassword("right-word")}`]);
    const bearer = { authorization: "Bearer of the application" };
    expect((await browser.get("/music", bearer)).status).toBe(401);
    const authorization = `Basic ${btoa("me:right-word")}`;
    const signedIn = await browser.get(`${SIGN_IN}?to=/music`, { ...HTML, authorization });
    expect([signedIn.status, signedIn.headers.location]).toEqual([303, "/music"]);
    expect(told(await browser.get("/music", bearer))).toMatchObject({ ...bearer, cookie: "app=2" });
  });

  test("comes over TLS by a trusted proxy, and has a cookie that no other host sets or gets", async () => {
    const { server, token } = await startHome([], ["--trusted-proxy=127.0.0.1"]);
    const browser = browserAt(server, `home.${DOMAIN}`, true);
    const signedIn = await browser.post(SIGN_IN, { token });
    expect(signedIn.headers["set-cookie"]?.[0]).toMatch(
      /^__Host-culvert-session=[\w.]+; Path=\/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax$/,
    );
    told(await browser.get("/"));
  });

  test("signs in below /t/ as well, for that home alone", async () => {
    const { server, token } = await startHome();
    const browser = browserAt(server, DOMAIN);
    const signedIn = await browser.post(`/t/home${SIGN_IN}`, { token, to: "/a" });
    expect(signedIn.headers.location).toBe("/t/home/a");
    expect(signedIn.headers["set-cookie"]?.[0]).toContain("; Path=/t/home/; ");
    told(await browser.get("/t/home/a"));
    expect((await browser.get("/t/other/a")).status).toBe(401);
  });

  test("shows no token of the client's to the home, though it shows one beside its cookie", async () => {
    const { token, browser } = await startHome();
    await browser.post(SIGN_IN, { token });
    const headers = told(await browser.get("/", { authorization: `Bearer ${token}` }));
    expect(headers).not.toHaveProperty("authorization");
  });

  test("lets no page of another home act in its name", async () => {
    const { token, browser } = await startHome();
    await browser.post(SIGN_IN, { token });
    const foreign = { origin: `http://other.${DOMAIN}` };
    expect((await browser.post("/delete", {}, foreign)).status).toBe(401);
    expect((await browser.get("/", { "sec-fetch-site": "same-site" })).status).toBe(401);
    expect((await browser.post(SIGN_OUT, {}, foreign)).status).toBe(403);
    expect((await browser.post(SIGN_IN, { token }, foreign)).status).toBe(403);
  });

  test("opens a WebSocket from a page of the home, and from no other's", async () => {
    const sockets = new WebSocketServer({ noServer: true });
    const service = http.createServer();
    service.on("upgrade", (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (client) => client.send(request.headers.cookie ?? "none")),
    );
    const url = await new Promise<string>((resolve) => {
      service.listen(0, "127.0.0.1", () => {
        const address = service.address();
        resolve(`http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`);
      });
    });
    onTestFinished(() => {
      sockets.close();
      service.close();
    });
    const server = await startServer({ flags: [`--domain=${DOMAIN}`] });
    await startAgent(server, url, { protocol: "native" });
    const token = await server.register("home");
    const host = `home.${DOMAIN}`;
    const browser = browserAt(server, host);
    await browser.post(SIGN_IN, { token });
    const cookie = `culvert-session=${browser.jar.get("culvert-session")}`;
    const open = (origin: string) =>
      new Promise<string>((resolve) => {
        const headers = { host, cookie };
        const socket = new WebSocket(`ws://127.0.0.1:${server.port}/x`, { headers, origin });
        onTestFinished(() => socket.terminate());
        socket.once("message", (message) => resolve(message.toString()));
        socket.once("unexpected-response", (_, response) => resolve(String(response.statusCode)));
        socket.once("error", () => {});
      });
    expect(await open(`http://${host}`)).toBe("none");
    expect(await open(`http://other.${DOMAIN}`)).toBe("401");
  });
});

describe("a session", () => {
  test("outlives a restart of the server, and ends with its token", async () => {
    const database = `sqlite:${join(temporaryFolder(), "culvert.db")}`;
    const limits = { tokenFreshMs: 0 };
    const first = await startHome([], ["--register-again=always"], { database, limits });
    await first.browser.post(SIGN_IN, { token: first.token });
    await first.server.running.stop();
    const { server, browser } = await startHome([], ["--register-again=always"], { database, limits });
    for (const [name, value] of first.browser.jar) browser.jar.set(name, value);
    told(await browser.get("/"));
    const config = readRevokeConfig([`--database=${database}`, "--client-id=home"], {});
    expect(await revoke(config)).toBeGreaterThan(0);
    const page = await browser.get("/");
    expect(page.status).toBe(401);
    expect(page.body.toString()).toContain("<form");
    expect((await server.status()).outcomes).toMatchObject({ unauthorized: 1 });
  });

  test("shows in no log", async () => {
    const { server, token, browser } = await startHome();
    await browser.post(SIGN_IN, { token });
    await browser.get("/");
    const value = browser.jar.get("culvert-session") ?? "";
    expect(value).not.toBe("");
    const text = server.log.text;
    for (const secret of [token, value, value.split(".").at(-1) ?? value]) expect(text).not.toContain(secret);
  });
});
