import { describe, expect, it } from "vitest";
import { CLIENT_TOKEN, TestServer } from "../../../helpers/test-server.ts";

/** A server that knows the tokens of `home`, which is connected. */
function serverWithHome(): TestServer {
  const server = new TestServer();
  server.grant("client_access", CLIENT_TOKEN, "home");
  server.tunnel();
  return server;
}

describe("a tunnelled request", () => {
  it("carries method, path, query, accept, range and profile", () => {
    const server = serverWithHome();
    const visit = server.open({
      method: "GET",
      target: "/a//b/../%2F%20;x?clientId=home&q=1&q=2&empty&plus=a+b%2Bc&u=%C3%A9&100%=%zz%41%&not=%ff%41",
      headers: [
        ...["authorization", `Bearer ${CLIENT_TOKEN}`, "Accept", "text/html", "accept", "*/*"],
        ...["Range", "bytes=0-9", "cookie", "secret-cookie", "moosicbox-profile", "kitchen"],
      ],
    });
    const [tunnel] = server.sockets.values();
    expect(tunnel?.lastFrame).toEqual({
      type: "HTTP",
      request_id: visit.requestId,
      method: "GET",
      path: "a//b/../%2F%20;x",
      query: {
        ...{ clientId: "home", q: "2", empty: "", plus: "a+b+c", u: "é" },
        ...{ "100%": "%zzA%", not: "%ff%41" },
      },
      headers: { accept: "text/html, */*", range: "bytes=0-9" },
      encoding: "BINARY",
      profile: "kitchen",
    });
  });

  it("leaves out what the visitor did not send", () => {
    const server = serverWithHome();
    server.visit();
    const [tunnel] = server.sockets.values();
    expect(tunnel?.lastFrame).not.toHaveProperty("headers");
    expect(tunnel?.lastFrame).not.toHaveProperty("payload");
    expect(tunnel?.lastFrame.profile).toBeNull();
  });

  it("asks for the whole where a range has a condition, which the protocol cannot carry", () => {
    const server = serverWithHome();
    server.visit({ headers: ["range", "bytes=5-", "if-range", '"1"'] });
    expect([...server.sockets.values()][0]?.lastFrame).not.toHaveProperty("headers");
  });

  it("prefers the profile of the query, in any case, to that of the header", () => {
    const server = serverWithHome();
    server.visit({
      target: "/x?clientId=home&MOOSICBOXPROFILE=query",
      headers: ["moosicbox-profile", "header"],
    });
    expect([...server.sockets.values()][0]?.lastFrame.profile).toBe("query");
  });

  it("carries a JSON body verbatim, numbers beyond 2^53 included", () => {
    const server = serverWithHome();
    const body = '{ "id": 18446744073709551615, "x": 1.10e2, "text": "é\\u0000" }';
    server.visit({ method: "POST", body });
    expect([...server.sockets.values()][0]?.texts.at(-1)).toContain(`"payload":${body},`);
  });

  it("has no payload when its body turns out empty", () => {
    const server = serverWithHome();
    server.visit({ method: "POST", body: "" });
    expect([...server.sockets.values()][0]?.lastFrame).not.toHaveProperty("payload");
  });

  it.each(["{", "hello", '{"a":1}x', "\u{feff}{}", new Uint8Array([0x22, 0xff, 0x22])])(
    "is refused with 400 when its body is not JSON: %s",
    (body) => {
      const server = serverWithHome();
      expect(server.visit({ method: "POST", body })).toMatchObject({ status: 400, code: "not_json" });
      expect([...server.sockets.values()][0]?.requests).toEqual([]);
      server.expectEmpty();
    },
  );

  it("is refused with 400 when its target, its mode or its ranges cannot be understood", () => {
    const server = serverWithHome();
    for (const target of ["*", "", "music?clientId=home"]) {
      expect(server.visit({ target }).status, target).toBe(400);
    }
    expect(server.visit({ headers: ["culvert-response", "sometimes"] }).status).toBe(400);
    expect(server.visit({ headers: ["range", "bytes=0-1", "range", "bytes=2-3"] }).status).toBe(400);
    expect(server.visit({ headers: ["culvert-response", "streaming"] }).status).toBe(0);
    server.expectEmpty();
  });

  it("gets 424 when its home is not connected, before and after its body is read", () => {
    const server = new TestServer();
    expect(server.visit()).toMatchObject({ status: 424, code: "agent_not_connected" });
    const tunnel = server.tunnel();
    const upload = server.visit({ method: "POST", body: "{}", takes: false });
    expect(upload.isRead).toBe(true);
    tunnel.lose();
    upload.sendBody("{}");
    upload.endBody();
    expect(upload).toMatchObject({ status: 424, code: "agent_not_connected" });
    server.expectEmpty();
  });

  it("is told what failed as a page when a browser asks", () => {
    const server = new TestServer();
    const visit = server.visit({ headers: ["accept", "text/html,application/xhtml+xml,*/*;q=0.8"] });
    expect(visit.header("content-type")).toContain("text/html");
    expect(visit.text).toContain("agent_not_connected");
  });
});
