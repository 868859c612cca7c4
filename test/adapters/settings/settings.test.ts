import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readServeConfig, settingsOf } from "../../../adapters/settings/settings.ts";
import { StartupError } from "../../../adapters/startup-error.ts";
import { agentLimits, serverLimits } from "../../../core/limits.ts";
import { readAgentConfig } from "../../helpers/settings.ts";

const CANARY = "canary-secret-5d1f";
const AGENT = ["--server", "https://tunnel.example.org", "--to", "http://127.0.0.1:3000"];

describe("the settings of serve", () => {
  test("have the documented defaults", () => {
    expect(readServeConfig([], {})).toEqual({
      config: null,
      bind: "0.0.0.0",
      port: 8000,
      adminBind: "127.0.0.1",
      adminPort: 8001,
      database: { type: "sqlite", path: "./culvert.db" },
      accessToken: null,
      corsOrigins: null,
      domain: null,
      hostnames: {},
      pathRouting: false,
      queryTokens: true,
      reusePort: false,
      workers: 1,
      registerAgain: "moosicbox",
      trustedProxies: [],
      docsUrl: null,
      peer: null,
      publicUrl: null,
      logLevel: "info",
      logFormat: null,
      limits: serverLimits,
    });
  });

  test("come from the environment, and flags win", () => {
    const environment = {
      PORT: "1000",
      BIND_ADDR: "::1",
      DATABASE_URL: "sqlite:/var/lib/culvert.db",
      TUNNEL_ACCESS_TOKEN: CANARY,
      ADMIN_PORT: "1001",
      ADMIN_BIND: "localhost",
      CULVERT_DOMAIN: "tunnel.example.org",
    };
    expect(readServeConfig([], environment)).toMatchObject({
      domain: "tunnel.example.org",
      port: 1000,
      bind: "::1",
      database: { path: "/var/lib/culvert.db" },
      accessToken: CANARY,
      adminPort: 1001,
      adminBind: "localhost",
    });
    expect(readServeConfig(["--port", "2000", "--database=sqlite::memory:"], environment)).toMatchObject({
      port: 2000,
      database: { path: ":memory:" },
      adminPort: 1001,
    });
  });

  test("give homes further names, each to one home", () => {
    const given = (...texts: readonly string[]) =>
      readServeConfig([...texts.flatMap((text) => ["--hostname", text]), "--domain=x.example.org"], {})
        .hostnames;
    expect(given("photos.example.org=Photos", "p.example.org=Photos", "m.x.example.org=a=b")).toEqual({
      "photos.example.org": "Photos",
      "p.example.org": "Photos",
      "m.x.example.org": "a=b",
    });
    for (const wrong of [
      "photos.example.org",
      "Photos.example.org=a",
      "10.0.0.1=a",
      "=a",
      "a.org=",
      "a.org:80=a",
    ]) {
      expect(() => given(wrong), wrong).toThrow("--hostname must be a DNS name in lower case with its home");
    }
    expect(() => given("a.example.org=one", "a.example.org=two")).toThrow("gives one name to two homes");
    expect(() => given("x.example.org=one")).toThrow("gives the name of --domain to a home");
  });

  test.each(["serve", "agent"] as const)("of %s all have a name in the environment", (command) => {
    const nameless = settingsOf(command).filter(({ variable }) => variable === undefined);
    expect(nameless.map(({ flag }) => flag)).toEqual([]);
  });

  test("take several of a kind from the lines of a variable", () => {
    const environment = {
      CULVERT_TRUSTED_PROXY: "10.0.0.0/8\n::1\n",
      CULVERT_CORS_ORIGIN: "https://a.example.org",
      CULVERT_LIMIT: "tunnelsMax=7\ndrainMs=100",
      CULVERT_PATH_ROUTING: "on",
      CULVERT_QUERY_TOKENS: "off",
      CULVERT_LOG_LEVEL: "warn",
      CULVERT_LOG_FORMAT: "json",
    };
    expect(readServeConfig([], environment)).toMatchObject({
      trustedProxies: ["10.0.0.0/8", "::1"],
      corsOrigins: ["https://a.example.org"],
      limits: { ...serverLimits, tunnelsMax: 7, drainMs: 100 },
      pathRouting: true,
      queryTokens: false,
      logLevel: "warn",
      logFormat: "json",
    });
  });

  test("take origins and limits several times", () => {
    const config = readServeConfig(
      [
        ...["--cors-origin", "https://a.example.org", "--cors-origin", "http://localhost:3000"],
        ...["--limit", "tunnelsMax=7", "--limit=drainMs=100"],
      ],
      {},
    );
    expect(config.corsOrigins).toEqual(["https://a.example.org", "http://localhost:3000"]);
    expect(config.limits).toEqual({ ...serverLimits, tunnelsMax: 7, drainMs: 100 });
  });

  test("say how homes are reached and which proxies are believed", () => {
    const flags = ["--domain=homes.example.org", "--path-routing=on", "--query-tokens", "off"];
    const proxies = ["127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "::ffff:192.0.2.1"];
    const trusted = proxies.flatMap((proxy) => ["--trusted-proxy", proxy]);
    expect(readServeConfig([...flags, ...trusted], {})).toMatchObject({
      domain: "homes.example.org",
      pathRouting: true,
      queryTokens: false,
      trustedProxies: proxies,
    });
    const explicit = readServeConfig(["--path-routing=off", "--query-tokens=on"], {});
    expect([explicit.pathRouting, explicit.queryTokens]).toEqual([false, true]);
  });

  test.each([
    "Homes.example.org",
    "homes.example.org.",
    ".example.org",
    "a..b",
    "-a.org",
    "a-.org",
    "a_b.org",
    "192.0.2.1",
    "::1",
    "a b",
    "a.org:8000",
    "*.a.org",
    `${"a".repeat(64)}.org`,
    "a.".repeat(126),
    `${"a.".repeat(125)}bc`,
  ])("refuse %j as a domain", (name) => {
    expect(() => readServeConfig(["--domain", name], {})).toThrow(
      new StartupError("--domain must be a DNS name in lower case, such as tunnel.example.org"),
    );
  });

  test.each([
    "10.0.0.0/33",
    "10.1.2.3/8",
    "10.0.0.0/",
    "010.0.0.1",
    "10.0.0",
    "proxy.example.org",
    "fe80::1%eth0",
  ])("refuse %j as a trusted proxy", (proxy) => {
    expect(() => readServeConfig(["--trusted-proxy", proxy], {})).toThrow(
      new StartupError(
        "--trusted-proxy must be an IP address or a CIDR block whose bits behind the prefix are zero, such as 10.0.0.0/8",
      ),
    );
  });

  test.each([
    [["--path-routing", "yes"], "--path-routing must be on or off"],
    [["--query-tokens", "1"], "--query-tokens must be on or off"],
    [["--query-tokens"], "--query-tokens needs a value: --query-tokens on|off"],
    [["--port", "65536"], "--port must be a port from 0 to 65535"],
    [["--port", "-1"], "--port must be a port from 0 to 65535"],
    [["--port", "80a"], "--port must be a port from 0 to 65535"],
    [["--port"], "--port needs a value: --port PORT"],
    [["--port", "--bind", "::1"], "--port needs a value: --port PORT"],
    [["--port", ""], "--port is empty"],
    [["--port", "1", "--port", "2"], "--port is given twice"],
    [["--prot", "1"], "--prot is unknown; did you mean --port?"],
    [["--no-port"], "--no-port is unknown; did you mean --port?"],
    [["-p", "1"], "-p is unknown; did you mean --port?"],
    [["--sparkle"], "--sparkle is unknown"],
    [["--bind", "a b"], "--bind must be an IP address or a host name"],
    [["--bind", "300.1.1.1"], "--bind must be an IP address or a host name"],
    [["--log-level", "loud"], "--log-level must be one of debug, info, warn, error"],
    [
      ["--database", "postgres://x"],
      "--database must be sqlite:PATH, sqlite::memory: or mysql://USER:PASSWORD@HOST:3306/NAME",
    ],
    [
      ["--database", "sqlite:"],
      "--database must name a file: sqlite:./culvert.db, sqlite:/var/lib/culvert/culvert.db",
    ],
    [
      ["--database", "sqlite://x"],
      "--database must name a file: sqlite:./culvert.db, sqlite:/var/lib/culvert/culvert.db",
    ],
    [
      ["--cors-origin", "https://a.example.org/"],
      "--cors-origin must be an origin, such as https://music.example.org",
    ],
    [["--limit", "tunnelsMx=1"], "--limit names no limit: tunnelsMx; did you mean tunnelsMax?"],
    [["--limit", "tunnelsMax"], "--limit must be NAME=VALUE, where VALUE is a whole number"],
    [["--limit", "tunnelsMax=-1"], "--limit must be NAME=VALUE, where VALUE is a whole number"],
    [["--limit", "tunnelsMax=1e3"], "--limit must be NAME=VALUE, where VALUE is a whole number"],
    [["--limit", "foo=1"], "--limit names no limit: foo; --help-limits names them all"],
    [["--limit", "toString=1"], "--limit names no limit: toString; --help-limits names them all"],
    [["--limit", "heldBytesSoft=999999999"], "--limit cannot be used: heldBytesSoft is above heldBytesHard"],
    [
      ["--limit", "headBytesMax=65536"],
      "--limit cannot be used: readAheadBytes is not above headBytesMax: so long a head could not be read",
    ],
    [["--limit", "addressLooksBytes=1000"], "--limit cannot be used: lookBytes is above addressLooksBytes"],
    [["8000"], "argument 1 belongs to no flag; see --help"],
  ])("refuse %j in one line that says why (A12)", (args, message) => {
    expect(() => readServeConfig(args, {})).toThrow(new StartupError(message));
  });

  test.each([
    [
      { CULVERT_STAT: "x" },
      "the environment variable CULVERT_STAT is set, but nothing reads it; did you mean CULVERT_STATE?",
    ],
    [{ CULVERT_SPARKLE: "x" }, "the environment variable CULVERT_SPARKLE is set, but nothing reads it"],
    [
      { TUNNEL_ACESS_TOKEN: "x" },
      "the environment variable TUNNEL_ACESS_TOKEN is set, but nothing reads it; did you mean TUNNEL_ACCESS_TOKEN?",
    ],
    [{ TUNNEL_ACCESS_TOKEN: "" }, "TUNNEL_ACCESS_TOKEN is empty: give it a value or unset it"],
    [{ PORT: "x" }, "PORT must be a port from 0 to 65535"],
    [
      { DATABASE_URL: `mysql://culvert:${CANARY}@db/culvert?sll=required` },
      "DATABASE_URL has an unknown parameter sll; did you mean ssl?",
    ],
  ])("refuse the environment %j in one line that says why (A12)", (environment, message) => {
    expect(() => readServeConfig([], environment)).toThrow(new StartupError(message));
  });

  test("leave alone the variables of other programs and of the other command", () => {
    const environment = {
      PATH: "/bin",
      SORT: "1",
      TUNNEL_TOKEN: "x",
      CULVERT_SERVER: "x",
      DATABASE_URI: "x",
      DATABASE_URI_FILE: "x",
    };
    expect(readServeConfig(["--database", "sqlite::memory:"], environment).port).toBe(8000);
    expect(readServeConfig([], { ...environment, DATABASE_URL: "sqlite::memory:" }).port).toBe(8000);
  });
});

describe("the settings of agent", () => {
  test("need a server and an origin only", () => {
    expect(readAgentConfig(AGENT, {})).toEqual({
      config: null,
      server: new URL("https://tunnel.example.org/"),
      origins: [{ prefix: "/", url: new URL("http://127.0.0.1:3000/") }],
      clientId: null,
      clientToken: null,
      accessToken: null,
      invite: null,
      hostname: null,
      stateFile: null,
      protocol: "auto",
      access: "token",
      hostHeader: { type: "origin" },
      proxy: null,
      serverCa: null,
      exitOnError: false,
      docsUrl: null,
      headers: [],
      tlsSkipVerify: false,
      originName: null,
      links: 2,
      keepAlive: true,
      logLevel: "info",
      logFormat: null,
      limits: agentLimits,
    });
  });

  test("take the WebSocket schemes for the HTTP ones, with a base path", () => {
    const server = (url: string) => readAgentConfig(["--server", url, "--to", "http://home"], {}).server.href;
    expect(server("ws://tunnel.example.org:8000")).toBe("http://tunnel.example.org:8000/");
    expect(server("wss://tunnel.example.org/base")).toBe("https://tunnel.example.org/base");
  });

  test("take several services by prefix, in their order", () => {
    const to = ["/music/=https://nas:8443/base", "http://home:3000", "/a/b;c=http://[::1]:1"];
    const args = to.map((text) => `--to=${text}`);
    expect(readAgentConfig(["--server=http://x", ...args], {}).origins).toEqual([
      { prefix: "/music", url: new URL("https://nas:8443/base") },
      { prefix: "/", url: new URL("http://home:3000") },
      { prefix: "/a/b;c", url: new URL("http://[::1]:1") },
    ]);
  });

  test.each([
    ["3000", "http://localhost:3000/"],
    ["/a=3000", "http://localhost:3000/"],
    ["localhost:3000", "http://localhost:3000/"],
    ["nas.local:8080/base", "http://nas.local:8080/base"],
    ["[::1]:80", "http://[::1]/"],
    ["unix:/run/my app.sock", "unix:/run/my%20app.sock"],
    ["/a=unix:/run/a=%3F?.sock", "unix:/run/a=%253F%3F.sock"],
  ])("take a service as people write it: %s", (to, href) => {
    expect(readAgentConfig(["--server=http://x", `--to=${to}`], {}).origins[0]?.url.href).toBe(href);
  });

  test("come from the environment, with lists one on each line, and flags win", () => {
    const environment = {
      CULVERT_SERVER: "http://x",
      CULVERT_TO: "http://home:3000\n\n  /music=http://nas\n",
      CULVERT_PROTOCOL: "native",
      CULVERT_ACCESS: "public",
      CULVERT_HOST_HEADER: "visitor",
      CULVERT_HEADER: "X-A: 1\nX-B: two words",
      CULVERT_TLS_SKIP_VERIFY: "on",
      CULVERT_KEEP_ALIVE: "off",
    };
    const config = readAgentConfig([], environment);
    expect(config).toMatchObject({
      protocol: "native",
      access: "public",
      hostHeader: { type: "visitor" },
      headers: ["X-A", "1", "X-B", "two words"],
      tlsSkipVerify: true,
      keepAlive: false,
    });
    expect(config.origins.map(({ prefix, url }) => [prefix, url.href])).toEqual([
      ["/", "http://home:3000/"],
      ["/music", "http://nas/"],
    ]);
    const flags = ["--to=http://y", "--header=X-C: 3", "--tls-skip-verify=off", "--host-header=[::1]:80"];
    expect(readAgentConfig(flags, environment)).toMatchObject({
      origins: [{ prefix: "/", url: new URL("http://y") }],
      headers: ["X-C", "3"],
      tlsSkipVerify: false,
      hostHeader: { type: "fixed", value: "[::1]:80" },
    });
    expect(() => readAgentConfig([], { ...environment, CULVERT_TO: " \n" })).toThrow(
      new StartupError("CULVERT_TO is empty: give it a value or unset it"),
    );
  });

  test("say who may visit as the handshake says it", () => {
    const hash = createHash("sha256").update("me:pass:word").digest("hex");
    const accessOf = (text: string) => readAgentConfig([...AGENT, "--access", text], {}).access;
    expect(accessOf("token")).toBe("token");
    expect(accessOf("public")).toBe("public");
    expect(accessOf(`basic:me:${hash}`)).toBe(`basic me:${hash}`);
  });

  test("take headers as they are, with their spelling, order and duplicates", () => {
    const args = ["--header", "x-Key:a: b ", "--header", "X-KEY: caf\u00e9", "--header=Empty:"];
    expect(readAgentConfig([...AGENT, ...args], {}).headers).toEqual([
      "x-Key",
      "a: b",
      "X-KEY",
      "caf\u00e9",
      "Empty",
      "",
    ]);
  });

  test.each([
    [[], "--server (or CULVERT_SERVER) is required, such as https://tunnel.example.org"],
    [["--server", "https://x"], "--to (or CULVERT_TO) is required, such as http://127.0.0.1:3000"],
    [
      ["--server", "tunnel.example.org", "--to", "http://x"],
      "--server must be a URL, such as https://tunnel.example.org",
    ],
    [
      ["--server", "http://x", "--to", "ws://x"],
      "--to must be a URL, a port, HOST:PORT or unix:/PATH, such as http://127.0.0.1:3000",
    ],
    [
      [...AGENT, "--to", "http://unix:/run/a.sock"],
      "--to must name a socket as unix:/run/app.sock, without http://",
    ],
    [
      [...AGENT, "--to", "unix:a.sock"],
      "--to must name a socket by its whole path, such as unix:/run/app.sock",
    ],
    [
      [...AGENT, "--to", "99999"],
      "--to must be a URL, a port, HOST:PORT or unix:/PATH, such as http://127.0.0.1:3000",
    ],
    [[...AGENT, "--origin-name", "10.0.0.1"], "--origin-name must be a DNS name, such as music.example.org"],
    [
      ["--server", `https://a:${CANARY}@x`, "--to", "http://x"],
      "--server must not hold a user name or password",
    ],
    [["--server", `https://x?t=${CANARY}`, "--to", "http://x"], "--server must not hold a query or fragment"],
    [
      [...AGENT, "--client-id", "x".repeat(65)],
      "--client-id must be at most 64 characters, none of them a control character",
    ],
    [[...AGENT, "--protocol", "http"], "--protocol must be auto, native or moosicbox"],
    [
      [...AGENT, "--to", "http://y"],
      "--to names two services for the same paths: give each its own /PREFIX=URL",
    ],
    [
      [...AGENT, "--to", "/a=http://y", "--to", "/a/=http://z"],
      "--to names two services for the same paths: give each its own /PREFIX=URL",
    ],
    [
      [...AGENT, "--to", "/a b=http://y"],
      "--to must have a path as its prefix, such as /music=http://127.0.0.1:3000",
    ],
    [
      [...AGENT, "--to", "/a?b=http://y"],
      "--to must have a path as its prefix, such as /music=http://127.0.0.1:3000",
    ],
    [[...AGENT, "--to", `/a=http://u:${CANARY}@y`], "--to must not hold a user name or password"],
    [
      [...AGENT, "--to", "/a"],
      "--to must be a URL, a port, HOST:PORT or unix:/PATH, such as http://127.0.0.1:3000",
    ],
    ...[
      "all",
      "basic",
      "basic:me",
      `basic:me:${CANARY}`,
      `basic::${"0".repeat(64)}`,
      `basic:me:${"A".repeat(64)}`,
    ].map((access): [string[], string] => [
      [...AGENT, "--access", access],
      "--access must be token, public or basic:USER:HASH, where HASH is what `culvert hash-password` prints",
    ]),
    ...["a b", "http://home", "home/", "home:", "ho\u00e9me", "a\r\nb"].map((host): [string[], string] => [
      [...AGENT, "--host-header", host],
      "--host-header must be origin, visitor or a host, such as music.local:3000",
    ]),
    ...[CANARY, `: ${CANARY}`, `a b: ${CANARY}`, `A: ${CANARY}\r\nB: c`, "A: \u20ac", `A : ${CANARY}`].map(
      (header): [string[], string] => [
        [...AGENT, "--header", header],
        "--header must be a header: 'Name: value'",
      ],
    ),
    [[...AGENT, "--header", `hOST: ${CANARY}`], "--header must not be Host: use --host-header"],
    ...["Content-Length", "transfer-encoding", "Connection", "Upgrade", "TE", "Trailer", "Keep-Alive"].map(
      (name): [string[], string] => [
        [...AGENT, "--header", `${name}: 1`],
        "--header must not be a header of the connection or of a body's length",
      ],
    ),
    [[...AGENT, "--tls-skip-verify", "yes"], "--tls-skip-verify must be on or off"],
    [
      [...AGENT, "--limit", "packetBytesMax=1"],
      "--limit cannot be used: packetBytesMax leaves no room for a packet header",
    ],
  ])("refuse %j in one line that says why (A12)", (args, message) => {
    expect(() => readAgentConfig(args, {})).toThrow(new StartupError(message));
  });
});

describe("what the settings say", () => {
  test.each(["serve", "agent"] as const)(
    "never holds a value, whichever place a secret was put in (A14): %s",
    (command) => {
      const read = command === "serve" ? readServeConfig : readAgentConfig;
      const flags = settingsOf(command).map(({ flag }) => `--${flag}`);
      const word = fc.oneof(
        fc.constantFrom(...flags, "--sparkle", "--acess-token", "-x", "--"),
        fc.constantFrom(CANARY, `${CANARY} x`, `mysql://u:${CANARY}@h/d`, `\u00e9${CANARY}`, `0=${CANARY}`),
        fc.constantFrom(...flags).map((flag) => `${flag}=${CANARY} \u00e9`),
      );
      const environment = fc.dictionary(
        fc.constantFrom(
          "PORT",
          "DATABASE_URL",
          "TUNNEL_ACCESS_TOKEN",
          "CULVERT_TO",
          "CULVERT_HEADER",
          "CULVERT_X",
        ),
        fc.constantFrom(CANARY, `${CANARY} x`),
      );
      fc.assert(
        fc.property(fc.array(word, { maxLength: 6 }), environment, (args, variables) => {
          const message = messageOf(() => read(args, variables));
          expect(message).not.toContain(CANARY);
          expect(message).not.toContain("\n");
        }),
      );
    },
  );
});

function messageOf(run: () => unknown): string {
  try {
    run();
    return "";
  } catch (error) {
    expect(error).toBeInstanceOf(StartupError);
    return String(error);
  }
}
