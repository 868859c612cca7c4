/**
 * What visitor and service call each other: real applications compare what a request says of its host in several places, and
 * answer with places of their own. Both have to hold together on the way there and back.
 */
import http from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { portOf } from "../helpers/origin.ts";
import { DOMAIN, HOST, headOf, type Passage, startPassage } from "../helpers/passage.ts";
import { type Protocol, startAgent, startServer } from "../helpers/tunnel.ts";

const PROTOCOLS = ["moosicbox", "native"] as const;
const VISITOR = `home.${DOMAIN}`;

/** What both saw of one request: the head at the home, and the head of the answer at the visitor. */
async function exchange(
  { home, visit }: Passage,
  request: readonly string[],
  answer: readonly string[] = [],
): Promise<{ readonly asked: readonly string[]; readonly answered: readonly string[] }> {
  const visitor = visit();
  visitor.send(...request, "Connection: close", "", "");
  const call = await home.call();
  call.answer("201 Created", answer, "at home");
  await visitor.untilText("\r\n\r\nat home");
  return { asked: call.head, answered: headOf(visitor.text) };
}

/** As far as services do that look at the Host and at nothing else, and those that prefer what a proxy says. */
function expectOneHost(asked: readonly string[], host: string): void {
  const named = asked.flatMap((line) => /^(?:x-forwarded-)?host: (.*)$/i.exec(line)?.[1] ?? []);
  expect(new Set(named)).toEqual(new Set([host]));
}

describe("a request, by the default,", () => {
  test("H07: opens a WebSocket at a service that compares Origin with Host, as JupyterLab and Streamlit do", async () => {
    const sockets = new WebSocketServer({ noServer: true });
    const service = http.createServer().listen(0, "127.0.0.1");
    onTestFinished(() => {
      sockets.close();
      service.close();
    });
    service.on("upgrade", (request, socket, head) => {
      const { origin = "", host } = request.headers;
      const isOwn = new URL(origin).host === host && new URL(origin).protocol === "http:";
      if (!isOwn) socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
      else sockets.handleUpgrade(request, socket, head, (client) => client.send("welcome"));
    });
    const server = await startServer({ flags: [`--domain=${DOMAIN}`] });
    await startAgent(server, `http://127.0.0.1:${portOf(service)}`, {
      protocol: "native",
      flags: ["--access=public"],
    });
    const open = (origin: string) =>
      new Promise<string>((resolve) => {
        const socket = new WebSocket(`ws://127.0.0.1:${server.port}/x`, {
          headers: { host: VISITOR },
          origin,
        });
        socket.once("message", (message) => {
          resolve(String(message));
          socket.close();
        });
        socket.once("error", (error) => resolve(error.message));
      });
    expect(await open(`http://${VISITOR}`)).toBe("welcome");
    // A page elsewhere is refused as it would be at home.
    expect(await open("http://evil.test")).toContain("403");
    expect(await open(`http://${VISITOR}.evil.test`)).toContain("403");
  });

  test("H07: moves a file at a service that compares Destination with Host, as nginx and radicale do", async () => {
    const passage = await startPassage("native");
    const { homeHost } = passage;
    const move = ["MOVE /a HTTP/1.1", HOST, `Destination: http://${VISITOR}/b`];
    const { asked, answered } = await exchange(passage, move, [`Location: http://${homeHost}/b`]);
    expect(asked).toContain(`Destination: http://${homeHost}/b`);
    expectOneHost(asked, homeHost);
    expect(answered).toContain(`Location: http://${VISITOR}/b`);
  });

  test("H07: comes from a page of the service itself, which may allow its own origin", async () => {
    const passage = await startPassage("native");
    const { homeHost } = passage;
    const form = ["POST /a HTTP/1.1", HOST, "Content-Length: 0", `Origin: http://${VISITOR}`];
    const { asked, answered } = await exchange(
      passage,
      [...form, `Referer: http://${VISITOR}/form`],
      [`Access-Control-Allow-Origin: http://${homeHost}`],
    );
    expect(asked).toEqual(
      expect.arrayContaining([`Origin: http://${homeHost}`, `Referer: http://${homeHost}/form`]),
    );
    expectOneHost(asked, homeHost);
    expect(answered).toContain(`Access-Control-Allow-Origin: http://${VISITOR}`);
  });

  test("H07: is told who asks, behind a proxy with TLS, and its answer leads through that proxy", async () => {
    const passage = await startPassage("native", { server: { flags: ["--trusted-proxy=127.0.0.0/8"] } });
    const { homeHost } = passage;
    const proxied = [
      ...["X-Forwarded-For: 203.0.113.9, 127.0.0.2", "X-Forwarded-Proto: https", "X-Forwarded-Port: 8443"],
      ...["X-Forwarded-Ssl: on", "X-Forwarded-Prefix: /music"],
    ];
    const { asked, answered } = await exchange(
      passage,
      ["GET /dir HTTP/1.1", HOST, ...proxied],
      [`Location: http://${homeHost}/dir/`],
    );
    expect(asked).toEqual(
      expect.arrayContaining([
        ...["X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", `X-Forwarded-Host: ${VISITOR}`],
        ...["X-Forwarded-Port: 8443", "X-Forwarded-Ssl: on", "X-Forwarded-Prefix: /music"],
      ]),
    );
    expect(answered).toContain(`Location: https://${VISITOR}:8443/dir/`);
  });

  test("H09: tells nothing of a proxy that a stranger plays", async () => {
    const passage = await startPassage("native");
    const claims = ["X-Forwarded-Port: 1", "X-Forwarded-Ssl: on", "X-Forwarded-Prefix: /evil"];
    const { asked } = await exchange(passage, ["GET / HTTP/1.1", HOST, ...claims]);
    expect(asked.filter((line) => /port|ssl|prefix/i.test(line))).toEqual([]);
  });

  test("H07: is as its visitor said it, and so is the answer, with --host-header=visitor", async () => {
    const passage = await startPassage("native", { agent: { flags: ["--host-header=visitor"] } });
    const request = [`Origin: http://${VISITOR}`, `Destination: http://${VISITOR}/b`];
    const location = `Location: http://${passage.homeHost}/b`;
    const { asked, answered } = await exchange(passage, ["MOVE /a HTTP/1.1", HOST, ...request], [location]);
    expect(asked).toEqual(expect.arrayContaining([...request, HOST, `X-Forwarded-Host: ${VISITOR}`]));
    expect(answered).toContain(location);
  });
});

describe.each(PROTOCOLS)("an answer that comes by the %s protocol", (protocol: Protocol) => {
  test("H07: leads nobody to the service's own address, as nginx and tusd would", async () => {
    const passage = await startPassage(protocol);
    const own = `http://${passage.homeHost}`;
    const { answered } = await exchange(
      passage,
      ["GET /dir HTTP/1.1", HOST],
      [
        ...[`Location: ${own}/dir/`, `Content-Location: ${own}/dir/`, `Refresh: 0; url=${own}/dir/`],
        ...[`Link: <${own}/2>; rel=next`, "Set-Cookie: a=b; Domain=127.0.0.1; Path=/"],
      ],
    );
    // Without a word of the visitor's host, a path is as good.
    const to = protocol === "native" ? `http://${VISITOR}` : "";
    expect(answered.map((line) => line.toLowerCase())).toEqual(
      expect.arrayContaining([
        ...[`location: ${to}/dir/`, `content-location: ${to}/dir/`, `refresh: 0; url=${to}/dir/`],
        ...[`link: <${to}/2>; rel=next`, "set-cookie: a=b; path=/"],
      ]),
    );
    expect(answered.join("\n")).not.toContain("127.0.0.1");
  });

  test("H29: stays below the home's path, whatever the service knows of it", async () => {
    const passage = await startPassage(protocol, { server: { flags: ["--path-routing=on"] } });
    const { answered } = await exchange(
      passage,
      ["GET /t/home/a HTTP/1.1", "Host: tunnel.test"],
      [
        ...[
          "Location: /login",
          `Content-Location: http://${passage.homeHost}/a`,
          "Refresh: 0; url=/t/home/b",
        ],
        ...["Link: </2>; rel=next", "Set-Cookie: a=b; Path=/"],
      ],
    );
    const to = protocol === "native" ? "http://tunnel.test" : "";
    expect(answered.map((line) => line.toLowerCase())).toEqual(
      expect.arrayContaining([
        ...["location: /t/home/login", `content-location: ${to}/t/home/a`, "refresh: 0; url=/t/home/b"],
        ...["link: </t/home/2>; rel=next", "set-cookie: a=b; path=/t/home/"],
      ]),
    );
  });

  test.each([
    ["GET /t/home HTTP/1.1", "/t/home/"],
    ["POST /t/h%6Fme?a=%ff&b HTTP/1.1", "/t/h%6Fme/?a=%ff&b"],
    ["GET /t/nobody HTTP/1.1", "/t/nobody/"],
  ])("H29: is a redirect to the slash for %s, though no home is asked", async (line, location) => {
    const passage = await startPassage(protocol, { server: { flags: ["--path-routing=on"] } });
    const visitor = passage.visit();
    visitor.send(line, "Host: tunnel.test", "Content-Length: 0", "Connection: close", "", "");
    await visitor.untilEnded();
    expect(headOf(visitor.text)[0]).toMatch(/^HTTP\/1\.1 308 /);
    expect(headOf(visitor.text)).toContain(`location: ${location}`);
    expect(passage.home.calls).toEqual([]);
  });
});

describe("a home below a path", () => {
  test("H29: is told of the path, and finds it in nothing else that names a place of its", async () => {
    const passage = await startPassage("native", { server: { flags: ["--path-routing=on"] } });
    const { homeHost } = passage;
    const { asked } = await exchange(passage, [
      "MOVE /t/home/a HTTP/1.1",
      "Host: tunnel.test",
      ...["Destination: http://tunnel.test/t/home/b", "Referer: http://tunnel.test/t/home/"],
      "If: <http://tunnel.test/t/home/b> (<urn:uuid:1>)",
    ]);
    expect(asked[0]).toBe("MOVE /a HTTP/1.1");
    expect(asked).toEqual(
      expect.arrayContaining([
        ...[`Destination: http://${homeHost}/b`, `Referer: http://${homeHost}/`],
        ...[`If: <http://${homeHost}/b> (<urn:uuid:1>)`, "X-Forwarded-Prefix: /t/home"],
      ]),
    );
  });

  test("H29: leads below what a proxy in front takes off as well", async () => {
    const flags = ["--path-routing=on", "--trusted-proxy=127.0.0.0/8"];
    const passage = await startPassage("native", { server: { flags } });
    const proxied = ["Host: tunnel.test", "X-Forwarded-Prefix: /music/"];
    const { asked, answered } = await exchange(
      passage,
      ["GET /t/home/a HTTP/1.1", ...proxied],
      ["Location: /login"],
    );
    expect(asked).toContain("X-Forwarded-Prefix: /music/t/home");
    expect(answered).toContain("Location: /music/t/home/login");
    const visitor = passage.visit();
    visitor.send("GET /t/home HTTP/1.1", ...proxied, "Connection: close", "", "");
    await visitor.untilEnded();
    expect(headOf(visitor.text)).toContain("location: /music/t/home/");
  });
});
