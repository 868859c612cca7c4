/**
 * What is decided here cannot be said otherwise by a visitor or a home: who asks, whom he asks, which paths a signature opens,
 * which part of a service is reached, what a whole web origin does, and where a message ends.
 */
import { describe, expect, test } from "vitest";
import {
  bodyOf,
  DOMAIN,
  FORWARDED,
  HOST,
  headOf,
  passed,
  RawHome,
  startPassage,
  statusOf,
} from "../helpers/passage.ts";
import { statuses } from "../helpers/raw-http.ts";

describe.each(["moosicbox", "native"] as const)("a signature, with the %s protocol,", (protocol) => {
  test("opens the media paths, and no path that somebody could read as another place", async () => {
    const passage = await startPassage(protocol, { access: "token" });
    const { server, home } = passage;
    const signature = await server.sign("home", await server.register("home"));
    const line = (path: string) => `GET ${path}?clientId=home&signature=${signature} HTTP/1.1`;
    for (const path of ["/files/track", "/files/artists/7/cover.jpg", "/files/albums/a%20b/1..2"]) {
      expect((await passed(passage, line(path), "Host: x"))[0], path).toContain(`GET ${path}`);
    }
    const opened = home.calls.length;
    for (const path of [
      "/files/artists/a/..%2f..%2f..%2fsecret",
      "/files/artists/a/..%2F..%2F..%2Fsecret",
      "/files/artists/a/..%252f..%252fsecret",
      "/files/artists/a/..%5c..%5csecret",
      "/files/artists/a/..\\..\\secret",
      "/files/artists/../..",
      "/files/artists/%2e%2e/%2e%2e",
      "/files/artists/.%2e/..",
      "/files/artists/..;/..;",
      "/files/artists/a/..;x=y",
      "/files/artists/a/%2e",
      "/files/artists/a/b%00.jpg",
      "/files/artists/a%2fb/c",
      "/files/albums/a/..",
      "/files/artists/a/b/../../../secret",
      "/secret",
    ]) {
      expect(await statusOf(passage, line(path), "Host: x"), path).toBe(401);
    }
    expect(home.calls).toHaveLength(opened);
  });
});

describe("a visitor", () => {
  test("cannot say who asks, in another spelling or behind his body", async () => {
    const { home, visit } = await startPassage("native");
    const forged = [
      "X_Forwarded_For: 6.6.6.6",
      "x-forwarded_host: evil.test",
      "X-Forwarded-For: 6.6.6.6",
      "X_Real_IP: 6.6.6.6",
      "Forwarded: for=6.6.6.6",
      "culvert_access: public",
    ];
    const visitor = visit();
    visitor.send("POST /x HTTP/1.1", HOST, ...forged, "Transfer-Encoding: chunked", "", "");
    visitor.send("4", "body", "0", "X-Sum: 1", ...forged, "X-Last: 1", "", "");
    const call = await home.call();
    await call.untilText("X-Last: 1\r\n\r\n");
    expect(call.head.filter((line) => /forwarded|real|culvert/i.test(line))).toEqual(FORWARDED);
    expect(call.body).toBe("4\r\nbody\r\n0\r\nX-Sum: 1\r\nX-Last: 1\r\n\r\n");
  });

  test("cannot say what the agent was told to say, in another spelling or behind his body", async () => {
    const passage = await startPassage("native", { agent: { flags: ["--header=X-Fixed: of the agent"] } });
    const visitor = passage.visit();
    const forged = ["x_fixed: forged", "X-Fixed: forged", "X_FIXED: forged"];
    visitor.send("POST /x HTTP/1.1", HOST, ...forged, "Transfer-Encoding: chunked", "", "");
    visitor.send("4", "body", "0", ...forged, "X-Last: 1", "", "");
    const call = await passage.home.call();
    await call.untilText("X-Last: 1\r\n\r\n");
    expect(call.text.match(/^x[-_]fixed:.*$/gim)).toEqual(["X-Fixed: of the agent"]);
  });

  test("asks whom he names in an absolute target, whatever his Host says", async () => {
    const passage = await startPassage("native", { agent: { flags: ["--host-header=visitor"] } });
    const head = await passed(passage, `GET http://home.${DOMAIN}/x HTTP/1.1`, "Host: evil.test");
    expect(head.slice(0, 2)).toEqual(["GET /x HTTP/1.1", `Host: home.${DOMAIN}`]);
    expect(head.join("\n")).not.toContain("evil");
  });

  test("does not leave the path or the prefix of a --to", async () => {
    const home = await RawHome.start();
    const passage = await startPassage("native", { agent: { flags: [`--to=/app=${home.url}/base`] } });
    const inside = await passed({ ...passage, home }, "GET /app/x HTTP/1.1", HOST);
    expect(inside[0]).toBe("GET /base/app/x HTTP/1.1");
    const calls = home.calls.length;
    for (const path of [
      "/app/../secret",
      "/app/%2e%2e/secret",
      "/app/x/..%2f..%2fsecret",
      "/app/..;/secret",
      "/app/..%5csecret",
      "/app/.%252e/secret",
    ]) {
      expect(await statusOf(passage, `GET ${path} HTTP/1.1`, HOST), path).toBe(400);
    }
    expect(home.calls).toHaveLength(calls);
    expect(passage.home.calls).toEqual([]);
  });

  test.each(["HTTP/2.0", "HTTP/3.0", "HTTP/0.9", "HTTP/1.2"])(
    "who speaks %s is told with 505 what is spoken here",
    async (version) => {
      const { home, visit } = await startPassage("native");
      const visitor = visit();
      visitor.send(`GET / ${version}`, HOST, "", "");
      await visitor.untilEnded();
      expect(statuses(visitor)).toEqual([505]);
      expect(home.calls).toEqual([]);
    },
  );

  test.each(["chunked\xa0", "\xa0chunked", "chunked\x0b", "chunked,\xa0"])(
    "who sends a body as %j sends none that anybody here takes for chunked",
    async (coding) => {
      const { home, visit } = await startPassage("native");
      const visitor = visit();
      visitor.send("POST /x HTTP/1.1", HOST, `Transfer-Encoding: ${coding}`, "", "4", "body", "0", "", "");
      await visitor.untilEnded();
      expect(statuses(visitor)).toEqual([400]);
      expect(home.calls).toEqual([]);
    },
  );
});

test("a visitor who says close with a no-break space behind it has not said close", async () => {
  const { home, visit } = await startPassage("native");
  const visitor = visit();
  for (const path of ["/1", "/2"])
    visitor.send(`GET ${path} HTTP/1.1`, HOST, "Connection: close\xa0", "", "");
  for (const path of ["/1", "/2"]) (await home.call()).answer("200 OK", [], `answer to ${path}`);
  await visitor.untilText("answer to /2");
  expect(statuses(visitor)).toEqual([200, 200]);
});

test("a visitor whose Connection names a field with a no-break space behind it has named another one", async () => {
  const passage = await startPassage("native");
  const head = await passed(passage, "GET /x HTTP/1.1", HOST, "Connection: x-own\xa0", "X-Own: 1");
  expect(head).toContain("X-Own: 1");
});

describe("a home", () => {
  test.each(["chunked\xa0", "\xa0chunked"])("whose answer is %j is no HTTP", async (coding) => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "", "");
    const call = await home.call();
    call.send("HTTP/1.1 200 OK", `Transfer-Encoding: ${coding}`, "", "4", "body", "0", "", "");
    await visitor.untilText('"code":"origin_malformed"');
    expect(statuses(visitor)).toEqual([502]);
  });

  test("leads no browser past the server, by other ways to its service", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /x HTTP/1.1", HOST, "", "");
    (await home.call()).answer("200 OK", ['Alt-Svc: h3=":443"', "X-Own: 1"], "at home");
    await visitor.untilText("\r\n\r\nat home");
    expect(visitor.text).toMatch(/\r\nx-own: 1\r\n/i);
    expect(visitor.text).not.toMatch(/alt-svc/i);
  });

  test("does what a whole web origin does under its own name only", async () => {
    const passage = await startPassage("native", { server: { flags: ["--path-routing=on"] } });
    const token = await passage.server.register("home");
    const wide = ["Service-Worker-Allowed: /", 'Clear-Site-Data: "*"', "Service_Worker_Allowed: /"];
    const seen = async (line: string, ...fields: string[]) => {
      const visitor = passage.visit();
      visitor.send(line, ...fields, "", "");
      (await passage.home.call()).answer("200 OK", [...wide, "X-Own: 1"], "at home");
      await visitor.untilText("\r\n\r\nat home");
      expect(bodyOf(visitor.text)).toBe("at home");
      return headOf(visitor.text).filter((field) => /^(?:service-worker|clear-site|x-own)/i.test(field));
    };
    expect(await seen("GET /x HTTP/1.1", HOST)).toEqual([...wide.slice(0, 2), "X-Own: 1"]);
    expect(await seen("GET /t/home/x HTTP/1.1", "Host: x")).toEqual(["X-Own: 1"]);
    const authorization = `Authorization: Bearer ${token}`;
    expect(await seen("GET /x?clientId=home HTTP/1.1", "Host: x", authorization)).toEqual(["X-Own: 1"]);
  });
});
