/** The ways to a home, who may go them, and what the agent makes of a request before the home's service sees it. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { hashPassword } from "../../adapters/server/passwords.ts";
import {
  DOMAIN,
  FORWARDED,
  HOST,
  passed,
  RawHome,
  startPassage,
  statusOf,
  without,
} from "../helpers/passage.ts";
import { type Protocol, startServer, visitorsOf } from "../helpers/tunnel.ts";
import { ask, problemCode } from "../helpers/visitor.ts";

const PROTOCOLS = ["moosicbox", "native"] as const;

const PATHS = { server: { flags: ["--path-routing=on"] } };

describe.each(PROTOCOLS)("a home that speaks the %s protocol", (protocol: Protocol) => {
  test.each(["/", "/health", "/ws", "/auth/register-client", "/t/other/x", "/files/track"])(
    "H29: has %s on its own host for itself, though the server has such a path elsewhere",
    async (path) => {
      const passage = await startPassage(protocol, PATHS);
      expect((await passed(passage, `GET ${path} HTTP/1.1`, HOST))[0]).toBe(`GET ${path} HTTP/1.1`);
    },
  );

  test.each([
    ["/t/home/a//b?c=d", "/a//b?c=d"],
    ["/t/home/", "/"],
    ["/t/%68ome/ws", "/ws"],
    ["/t/home/health", "/health"],
  ])("H29: is found by the path %s and asked for %s", async (path, target) => {
    const passage = await startPassage(protocol, PATHS);
    expect((await passed(passage, `GET ${path} HTTP/1.1`, "Host: x"))[0]).toBe(`GET ${target} HTTP/1.1`);
  });

  test("H29: is not found by path where that is off, which it is at first", async () => {
    const passage = await startPassage(protocol);
    expect(await statusOf(passage, "GET /t/home/a HTTP/1.1", "Host: x")).toBe(400);
    expect(passage.home.calls).toEqual([]);
  });

  test("H07: is found by its host in any case, with port and trailing dot, and by nothing deeper", async () => {
    const passage = await startPassage(protocol);
    for (const host of ["HOME.Tunnel.TEST", "home.tunnel.test:8000", "home.tunnel.test."]) {
      await passed(passage, "GET /x HTTP/1.1", `Host: ${host}`);
    }
    expect(passage.home.calls).toHaveLength(3);
    for (const host of ["a.home.tunnel.test", "home.tunnel.test.evil.test", "tunnel.test", "evil.test"]) {
      expect(await statusOf(passage, "GET /x HTTP/1.1", `Host: ${host}`)).toBe(400);
    }
    expect(passage.home.calls).toHaveLength(3);
  });

  test("A02: asks for its token, which is not passed on, unless it came in a field of its own", async () => {
    const passage = await startPassage(protocol, { access: "token" });
    const token = await passage.server.register("home");
    expect(await statusOf(passage, "GET /x HTTP/1.1", HOST)).toBe(401);
    expect(await statusOf(passage, "GET /x HTTP/1.1", HOST, "Authorization: Bearer wrong")).toBe(401);
    expect(await statusOf(passage, `GET /x?signature=${token} HTTP/1.1`, HOST)).toBe(401);
    const spent = await passed(passage, "GET /x HTTP/1.1", HOST, `Authorization: Bearer ${token}`);
    expect(spent.join("\n")).not.toContain(token);
    const both = ["Authorization: Bearer of-the-home", `Culvert-Authorization: Bearer ${token}`];
    const kept = await passed(passage, "GET /x HTTP/1.1", HOST, ...both);
    expect(kept.join("\n")).not.toContain(token);
    // It is no part of the MoosicBox protocol.
    expect(kept.includes("Authorization: Bearer of-the-home")).toBe(protocol === "native");
  });

  test.each([
    ["a salted hash", () => hashPassword("secret:word")],
    ["the hash of version 0.1", async () => createHash("sha256").update("me:secret:word").digest("hex")],
  ])("A02: asks for user and password where its agent says so with %s", async (_which, hash) => {
    const passage = await startPassage(protocol, { access: `basic:me:${await hash()}` });
    const basic = (text: string) => `Authorization: Basic ${Buffer.from(text).toString("base64")}`;
    const refused = passage.visit();
    refused.send("GET /x HTTP/1.1", HOST, "Connection: close", "", "");
    await refused.untilEnded();
    expect(refused.text).toMatch(/^HTTP\/1\.1 401 [\s\S]*www-authenticate: Basic realm=/i);
    expect(await statusOf(passage, "GET /x HTTP/1.1", HOST, basic("me:wrong"))).toBe(401);
    const head = await passed(passage, "GET /x HTTP/1.1", HOST, basic("me:secret:word"));
    expect(without(head, "authorization")).toEqual(head);
  });

  test("H30: that is away is 503 with Retry-After at its own name, and 424 by client id", async () => {
    const server = await startServer({ flags: [`--domain=${DOMAIN}`] });
    const token = await server.register("away");
    const authorization = `Bearer ${token}`;
    const headers = { host: `away.${DOMAIN}`, authorization };
    const byHost = await ask(`${server.url}/x`, { headers });
    expect(byHost.status).toBe(503);
    expect(problemCode(byHost)).toBe("agent_not_connected");
    expect(Number(byHost.headers["retry-after"])).toBeGreaterThan(0);
    expect((await visitorsOf(server, "away", token).ask("/x")).status).toBe(424);
    // Who has no token cannot tell it from a home that there never was.
    const stranger = await ask(`${server.url}/x`, { headers: { host: `away.${DOMAIN}` } });
    const nobody = await ask(`${server.url}/x`, { headers: { host: `nobody.${DOMAIN}` } });
    expect([stranger.status, nobody.status]).toEqual([401, 401]);
  });
});

describe("the agent", () => {
  test("H29: gives each path to the service with the longest prefix, and other services never see it", async () => {
    const photos = await RawHome.start();
    const albums = await RawHome.start();
    const passage = await startPassage("native", {
      agent: { flags: [`--to=/photos=${photos.url}`, `--to=/photos/albums=${albums.url}`] },
    });
    const asked = async (path: string, service: RawHome) => {
      const head = await passed({ ...passage, home: service }, `GET ${path} HTTP/1.1`, HOST);
      expect(head.slice(0, 2)).toEqual([`GET ${path} HTTP/1.1`, `Host: ${new URL(service.url).host}`]);
    };
    await asked("/photos/a?b", photos);
    await asked("/photos", photos);
    await asked("/photos/albums/1", albums);
    await asked("/photosynthesis", passage.home);
    await asked("/", passage.home);
    expect([photos, albums, passage.home].map(({ calls }) => calls.length)).toEqual([2, 1, 2]);
  });

  test.each([
    ["origin", (own: string) => own],
    ["visitor", () => `home.${DOMAIN}`],
    ["music.local:3000", () => "music.local:3000"],
  ])("H07: tells the home's service the host that --host-header=%s says", async (setting, hostOf) => {
    const passage = await startPassage("native", { agent: { flags: [`--host-header=${setting}`] } });
    const head = await passed(passage, "GET /x HTTP/1.1", "X-Before: 1", HOST);
    expect(head.slice(1, 3).toSorted()).toEqual([`Host: ${hostOf(passage.homeHost)}`, "X-Before: 1"]);
  });

  test("H08: sets the headers that it is given in the place of a visitor's", async () => {
    const flags = ["--header=X-Key: of the agent", "--header=Authorization: Basic YTpi"];
    const passage = await startPassage("native", { agent: { flags } });
    const head = await passed(passage, "GET /x HTTP/1.1", HOST, "x-KEY: forged", "Authorization: Bearer v");
    expect(head.slice(2)).toEqual([
      ...FORWARDED,
      "X-Key: of the agent",
      "Authorization: Basic YTpi",
      "Connection: keep-alive",
    ]);
  });
});

test("A01: tokens in a query open MoosicBox's paths, unless that is turned off", async () => {
  for (const setting of ["on", "off"]) {
    const passage = await startPassage("native", { server: { flags: [`--query-tokens=${setting}`] } });
    const { server } = passage;
    const signature = await server.sign("home", await server.register("home"));
    const line = `GET /files/track?clientId=home&signature=${signature} HTTP/1.1`;
    if (setting === "on") await passed(passage, line, "Host: x");
    else expect(await statusOf(passage, line, "Host: x")).toBe(401);
  }
});

test.each([DOMAIN, `home.wrong-${DOMAIN}`, "127.0.0.1"])(
  "H29: the server says at %s what it is and how homes are reached",
  async (host) => {
    const server = await startServer({ flags: [`--domain=${DOMAIN}`] });
    const answer = await ask(`${server.url}/`, { headers: { host } });
    expect(answer.status).toBe(200);
    expect(answer.body.toString()).toContain(`CLIENT-ID.${DOMAIN}`);
  },
);
