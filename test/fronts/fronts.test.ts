/** The configurations of docs/tls-and-proxies.md, each with the program that it is for, around a server and an agent. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { blocksIn, readDocument } from "../docs/documents.ts";
import { portOf, startOrigin } from "../helpers/origin.ts";
import { read } from "../helpers/visitor.ts";
import {
  caddy,
  caddyAuthority,
  type FrontKind,
  ofOwnAuthority,
  placed,
  startFront,
  written,
} from "./front.ts";
import { hasTraefik } from "./programs.ts";

const PAGE = readDocument("docs/tls-and-proxies.md");
const [CADDY = "", CADDY_ONE_NAME = "", CADDY_NAMES = ""] = blocksIn(PAGE, "caddyfile");
const [NGINX = ""] = blocksIn(PAGE, "nginx");
const [HAPROXY = ""] = blocksIn(PAGE, "haproxy");
const [TRAEFIK = ""] = blocksIn(PAGE, "yaml");
/** As the page has it below the block. */
const [ENTRY_POINT_OPTION = ""] = /transport\.\w+\.readTimeout/.exec(PAGE) ?? [];

const TRAEFIK_KIND: FrontKind = {
  prepare: ({ folder, port, server, certificate, key }) => {
    const text = placed(TRAEFIK, {
      // The name of the server, and in an expression.
      "`tunnel.example.net`": "`localhost`",
      "tunnel\\.example\\.net": "localhost",
      "        certResolver: letsencrypt\n": "",
      "        domains:\n": "",
      '          - main: tunnel.example.net\n            sans: ["*.tunnel.example.net"]\n': "",
      "      tls:\n": "      tls: {}\n",
      "http://127.0.0.1:8000": `http://${server}`,
    });
    const given = `tls:\n  certificates:\n    - certFile: ${certificate}\n      keyFile: ${key}\n`;
    const entryPoint = "--entryPoints.websecure";
    return [
      "traefik",
      `--providers.file.filename=${written(folder, "culvert.yaml", text + given)}`,
      `${entryPoint}.address=127.0.0.1:${port}`,
      `${entryPoint}.${ENTRY_POINT_OPTION}=0`,
    ];
  },
};

const FRONTS: Readonly<Record<string, FrontKind>> = {
  caddy: {
    prepare: ({ folder, port, server, operator }) => {
      const text = placed(CADDY, { "127.0.0.1:8000": server, "127.0.0.1:8001": operator });
      return caddy(ofOwnAuthority(text, port), folder);
    },
    authority: ({ folder }) => caddyAuthority(folder),
  },
  "caddy as in deploy/": {
    prepare: ({ folder, port, server, operator }) => {
      const text = placed(readDocument("deploy/Caddyfile"), {
        "{$CULVERT_HOST:culvert}:8000": server,
        "{$CULVERT_HOST:culvert}:8001": operator,
        "{$CADDY_OPTIONS}": "",
      });
      return caddy(ofOwnAuthority(text.replace(/^(#.*\n)+/, ""), port), folder);
    },
    authority: ({ folder }) => caddyAuthority(folder),
  },
  "caddy with one certificate": {
    prepare: ({ folder, port, server, certificate, key }) =>
      caddy(
        placed(CADDY_NAMES, {
          "*.tunnel.example.net": `*.localhost:${port}`,
          "tunnel.example.net, ": `localhost:${port}, `,
          "/etc/culvert/certificate.pem": certificate,
          "/etc/culvert/key.pem": key,
          "127.0.0.1:8000": server,
        }),
        folder,
      ),
  },
  nginx: {
    prepare: ({ folder, port, server, certificate, key }) => {
      const text = placed(NGINX, {
        "listen 443 ssl http2": `listen 127.0.0.1:${port} ssl http2`,
        "tunnel.example.net": "localhost",
        "/etc/culvert/certificate.pem": certificate,
        "/etc/culvert/key.pem": key,
        "127.0.0.1:8000": server,
      });
      const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
      const http = [
        "access_log off;",
        ...paths.map((name) => `${name}_temp_path ${join(folder, name)};`),
        text,
      ].join("\n");
      const file = written(
        folder,
        "nginx.conf",
        `daemon off;\nuser root;\npid ${join(folder, "pid")};\nerror_log stderr;\nevents {}\nhttp {\n${http}\n}\n`,
      );
      return ["nginx", "-e", "stderr", "-p", folder, "-c", file];
    },
  },
  haproxy: {
    prepare: ({ folder, port, server, both }) => {
      const text = placed(HAPROXY, {
        "bind :443": `bind 127.0.0.1:${port}`,
        "/etc/culvert/both.pem": both,
        "127.0.0.1:8000": server,
      });
      return ["haproxy", "-f", written(folder, "haproxy.cfg", text)];
    },
  },
  ...(hasTraefik() ? { traefik: TRAEFIK_KIND } : {}),
};

describe.each(Object.entries(FRONTS))("behind %s", (name, kind) => {
  test("a home learns who its visitor is, and not what he says of himself", async () => {
    const origin = await startOrigin((request, response) => response.end(JSON.stringify(request.headers)));
    const front = await startFront(kind, origin.url);
    const answer = await front.ask("/page?a=1", {
      headers: {
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "elsewhere.example",
        forwarded: "for=203.0.113.9;host=elsewhere.example",
      },
    });
    expect(answer.status).toBe(200);
    const seen = JSON.parse(answer.body.toString());
    expect(seen["x-forwarded-for"]).toBe("127.0.0.1");
    expect(seen["x-forwarded-proto"]).toBe("https");
    expect(seen["x-forwarded-host"]).toMatch(/^home\.localhost:\d+$/);
    expect(answer.body.toString()).not.toContain("203.0.113.9");
    expect(answer.body.toString()).not.toContain("elsewhere");
  });

  test("an upload that is larger than any buffer arrives byte by byte", async () => {
    const origin = await startOrigin(async (request, response) => response.end(await bytesOf(request)));
    const front = await startFront(kind, origin.url);
    const body = Buffer.alloc(12 * 1024 * 1024, "culvert");
    const answer = await front.ask("/upload", { method: "PUT", body });
    expect(answer.status).toBe(200);
    expect(answer.body.equals(body)).toBe(true);
  });

  test("an event comes before the next one is made", async () => {
    const origin = await startOrigin((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: one\n\n");
      next = () => response.end("data: two\n\n");
    });
    let next = () => {};
    const front = await startFront(kind, origin.url);
    const answer = await front.open("/events");
    const pieces = answer.setEncoding("utf8")[Symbol.asyncIterator]();
    expect((await pieces.next()).value).toBe("data: one\n\n");
    next();
    expect((await pieces.next()).value).toBe("data: two\n\n");
  });

  test("a visitor who leaves takes no more of the home", async () => {
    const left = Promise.withResolvers<void>();
    const origin = await startOrigin((_request, response) => {
      response.once("close", () => left.resolve());
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: one\n\n");
    });
    const front = await startFront(kind, origin.url);
    const answer = await front.open("/events");
    await once(answer, "data");
    answer.destroy();
    await left.promise;
  });

  test("a WebSocket of the home's service speaks both ways", async () => {
    const http = createServer();
    const sockets = new WebSocketServer({ server: http });
    sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(`you said ${data}`)));
    await once(http.listen(0, "127.0.0.1"), "listening");
    onTestFinished(() => {
      sockets.close();
      http.close();
      http.closeAllConnections();
    });
    const front = await startFront(kind, `http://127.0.0.1:${portOf(http)}`);
    const socket = front.webSocket("/socket");
    await once(socket, "open");
    socket.send("hello");
    const [data] = await once(socket, "message");
    expect(String(data)).toBe("you said hello");
  });

  const breaksOff = name.startsWith("caddy")
    ? "an answer that breaks off is whole to a visitor of Debian's Caddy, as the page says"
    : "an answer that breaks off is not taken for the whole";
  test(breaksOff, async () => {
    let breakOff = () => {};
    const origin = await startOrigin((_request, response) => {
      response.write("part");
      breakOff = () => response.destroy();
    });
    const front = await startFront(kind, origin.url);
    const response = await front.open("/part");
    const answer = read(response);
    await once(response, "data");
    breakOff();
    expect((await answer).body.toString()).toBe("part");
    expect((await answer).isWhole).toBe(name.startsWith("caddy"));
  });
});

describe("Caddy with one name", () => {
  const kind: FrontKind = {
    prepare: ({ folder, port, server }) =>
      caddy(
        placed(CADDY_ONE_NAME, {
          // Two names, so that one of them is a home's; Caddy's own authority signs for both.
          "tunnel.example.net": `localhost:${port}, home.localhost:${port}`,
          "127.0.0.1:8000": server,
        }),
        folder,
      ),
    authority: ({ folder }) => caddyAuthority(folder),
  };

  test("has a certificate by itself", async () => {
    const origin = await startOrigin((_request, response) => response.end("come in"));
    const front = await startFront(kind, origin.url);
    expect((await front.ask("/")).body.toString()).toBe("come in");
  });
});

describe("Caddy that makes certificates as visitors come", () => {
  test.each(["README.md", "docs/getting-started.md"])("is the same in %s as on the page", (file) => {
    expect(blocksIn(readDocument(file), "caddyfile")).toEqual([CADDY]);
  });
});

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}
