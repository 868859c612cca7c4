/** The command line as a person or a supervisor meets it: real processes, their output and how they end. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const ACCESS_TOKEN = "canary-access-5d1f";

class Command {
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();
  readonly ended: Promise<number | null>;
  stdout = "";
  stderr = "";

  constructor(args: readonly string[], environment: Readonly<Record<string, string>>) {
    const { PATH = "" } = process.env;
    this.#child = spawn(process.execPath, ["--import", "tsx", "adapters/main.ts", ...args], {
      cwd: ROOT,
      env: { PATH, HOME: folder, ...environment },
    });
    for (const name of ["stdout", "stderr"] as const) {
      this.#child[name]?.setEncoding("utf8").on("data", (text: string) => {
        this[name] += text;
        for (const watcher of this.#watchers) watcher();
      });
    }
    this.ended = once(this.#child, "close").then(([code]) => code);
  }

  /** Resolves when stdout matches, to the first group; rejects if the process ends first. */
  printed(pattern: RegExp): Promise<string> {
    return this.#seen("stdout", pattern);
  }

  /** The same for stderr. */
  logged(pattern: RegExp): Promise<string> {
    return this.#seen("stderr", pattern);
  }

  #seen(stream: "stdout" | "stderr", pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(this[stream]);
        if (match === null) return;
        this.#watchers.delete(look);
        resolve(match[1] ?? match[0]);
      };
      this.#watchers.add(look);
      this.ended.then(() => reject(new Error(`ended before ${stream} had ${pattern}: ${this.stderr}`)));
      look();
    });
  }

  signal(name: "SIGTERM" | "SIGINT" | "SIGKILL"): void {
    this.#child.kill(name);
  }
}

let folder: string;
let commands: Command[];
let origin: Server;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "culvert-main-"));
  commands = [];
  origin = createServer((request, response) => response.end(`hello ${request.url}`));
  await once(origin.listen(0, "127.0.0.1"), "listening");
});

afterEach(async () => {
  for (const command of commands) command.signal("SIGKILL");
  await Promise.all(commands.map(({ ended }) => ended));
  origin.closeAllConnections();
  await new Promise((resolve) => origin.close(resolve));
  rmSync(folder, { recursive: true });
});

function start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Command {
  const command = new Command(args, environment);
  commands.push(command);
  return command;
}

/** A server that takes nothing of the machine but free ports, except where the flags say so. */
function serve(
  flags: Readonly<Record<string, string>> = {},
  environment: Readonly<Record<string, string>> = {},
): Command {
  const all = { bind: "127.0.0.1", port: "0", "admin-port": "0", database: "sqlite::memory:", ...flags };
  return start(["serve", ...Object.entries(all).map(([flag, value]) => `--${flag}=${value}`)], environment);
}

function agent(server: string, environment: Readonly<Record<string, string>> = {}): Command {
  const state = join(folder, "agent.json");
  const to = `http://127.0.0.1:${originPort()}`;
  return start(
    ["agent", "--server", server, "--to", to, "--state", state, "--client-id", "home"],
    environment,
  );
}

function clientToken(): string {
  return JSON.parse(readFileSync(join(folder, "agent.json"), "utf8")).clientToken;
}

function originPort(): number {
  const address = origin.address();
  if (address === null || typeof address === "string") throw new Error("the origin does not listen");
  return address.port;
}

describe("culvert serve", () => {
  test("prints where it listens and exits 0 on SIGTERM", async () => {
    const server = serve({}, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN });
    const url = await server.printed(/^listening on (http:\/\/127\.0\.0\.1:\d+)$/m);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect(server.stdout.trim().split("\n")).toHaveLength(1);
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
  });

  test("makes an access token for the run where it was given none, and prints it once", async () => {
    const server = serve();
    const url = await server.printed(/listening on (.*)/);
    const token = await server.printed(/^access token for this run: (\S+)$/m);
    const registered = await fetch(`${url}/auth/register-client?clientId=home`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
    });
    expect(registered.status).toBe(200);
    server.signal("SIGINT");
    expect(await server.ended).toBe(0);
    expect((server.stdout + server.stderr).split(token)).toHaveLength(2);
  });

  test.each([
    ["a port that is taken", () => ({ port: String(originPort()) }), /for visitors and agents: .*EADDRINUSE/],
    [
      "an admin port that is taken",
      () => ({ "admin-port": String(originPort()) }),
      /for the operator: .*EADDRINUSE/,
    ],
    ["a database that cannot be opened", () => ({ database: `sqlite:${folder}` }), /cannot use the database/],
    ["a setting that it cannot use", () => ({ limit: "tunnelsMx=1" }), /did you mean tunnelsMax/],
  ])("exits 1 with one clear line on %s", async (_what, flags, reason) => {
    const server = serve(flags());
    expect(await server.ended).toBe(1);
    expect(server.stderr).toMatch(/^culvert: [^\n]+\n$/);
    expect(server.stderr).toMatch(reason);
    expect(server.stdout).toBe("");
  });

  test("finishes what runs at the first signal and leaves at once at the second", async () => {
    const server = serve({}, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN });
    const url = await server.printed(/listening on (.*)/);
    const home = agent(url, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN });
    await home.printed(/^connected as home$/m);
    origin.removeAllListeners("request");
    origin.on("request", (_request, response) => response.write("the beginning"));
    const headers = { authorization: `Bearer ${clientToken()}` };
    const answer = await fetch(`${url}/endless?clientId=home`, { headers });
    server.signal("SIGTERM");
    await server.logged(/"draining"/);
    server.signal("SIGTERM");
    expect(await server.ended).toBe(1);
    await expect(answer.text()).rejects.toThrow();
  });
});

describe("culvert agent", () => {
  test("says how a visitor reaches it, and no output of either side ever shows a secret (A14)", async () => {
    const server = serve({ "log-level": "debug" }, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN });
    const url = await server.printed(/listening on (.*)/);
    const home = agent(url, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN });
    await home.printed(/^connected as home$/m);
    expect(await home.printed(/^visitors reach it at (.*)$/m)).toBe(`${url}/?clientId=home`);

    const authorization = `Bearer ${clientToken()}`;
    const answer = await fetch(`${url}/songs?clientId=home`, { headers: { authorization } });
    expect(await answer.text()).toContain("hello /songs");
    const signed = await fetch(`${url}/auth/signature-token?clientId=home`, {
      method: "POST",
      headers: { authorization },
    });
    const { token: signature } = (await signed.json()) as { token: string };
    await fetch(`${url}/files/track?clientId=home&signature=${signature}`);
    await fetch(`${url}/files/track?clientId=home&signature=canary-wrong-5d1f`);
    await fetch(`${url}/songs?clientId=home`, { headers: { authorization: "Bearer canary-wrong-5d1f" } });

    home.signal("SIGTERM");
    expect(await home.ended).toBe(0);
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
    const output = [server, home].flatMap(({ stdout, stderr }) => [stdout, stderr]).join("");
    expect(output).toContain("exchange ended");
    for (const secret of [ACCESS_TOKEN, clientToken(), signature, "canary-wrong-5d1f"]) {
      expect(output).not.toContain(secret);
    }
  });

  test("prints first the link that a browser opens, and prints it anew when the server has another", async () => {
    const database = `sqlite:${join(folder, "culvert.db")}`;
    const token = { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN };
    const first = serve({ "path-routing": "on", database }, token);
    const url = await first.printed(/listening on (.*)/);
    const home = agent(url, { ...token, CULVERT_ACCESS: "public" });
    const link = await home.printed(/^connected as home\nopen (.*)$/m);
    expect(await (await fetch(link)).text()).toBe("hello /");
    first.signal("SIGKILL");
    await first.ended;
    const { port } = new URL(url);
    serve({ "path-routing": "on", domain: "tunnel.test", database, port }, token);
    expect(await home.printed(/^open (.*tunnel\.test.*)$/m)).toBe(`http://home.tunnel.test:${port}/`);
    expect(home.stdout).toContain(`or ${link}`);
  });

  test("exits 1 with one clear line when the server refuses its access token", async () => {
    const server = serve({}, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN });
    const home = agent(await server.printed(/listening on (.*)/), {
      TUNNEL_ACCESS_TOKEN: "canary-wrong-5d1f",
    });
    expect(await home.ended).toBe(1);
    expect(home.stderr).toMatch(/^culvert: [^\n]*access-token[^\n]*$/m);
    expect(home.stderr).not.toContain("canary-wrong-5d1f");
  });

  test("exits 78 by --exit-on-error where waiting cannot help: at the operator's port, with a wrong token, with TLS to none", async () => {
    const server = serve({}, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN });
    const url = await server.printed(/listening on (.*)/);
    await server.logged(/"port":\d+,"msg":"admin listener ready"/);
    const [, adminPort = ""] = /"port":(\d+),"msg":"admin listener ready"/.exec(server.stderr) ?? [];
    for (const [address, token, words] of [
      [`http://127.0.0.1:${adminPort}`, ACCESS_TOKEN, /no Culvert server.*admin port/],
      [url, "canary-wrong-5d1f", /access-token/],
      [url.replace("http:", "https:"), ACCESS_TOKEN, /begin --server with http:/],
    ] as const) {
      const home = agent(address, { TUNNEL_ACCESS_TOKEN: token, CULVERT_EXIT_ON_ERROR: "on" });
      expect(await home.ended).toBe(78);
      expect(home.stderr).toMatch(/^culvert: [^\n]+$/m);
      expect(home.stderr).toMatch(words);
    }
  });

  test("says at the operator's port what is wrong and what to do, once, and goes on", async () => {
    const server = serve({}, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN });
    await server.logged(/"port":\d+,"msg":"admin listener ready"/);
    const [, adminPort = ""] = /"port":(\d+),"msg":"admin listener ready"/.exec(server.stderr) ?? [];
    const home = agent(`http://127.0.0.1:${adminPort}`, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN });
    await home.logged(/"level":"warn".*no Culvert server.*admin port.*"trying again"/);
    home.signal("SIGTERM");
    expect(await home.ended).toBe(0);
  });

  test("keeps trying while there is no server, and stops on SIGTERM with 0", async () => {
    const home = agent("http://127.0.0.1:1", { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN });
    await home.logged(/"trying again"/);
    home.signal("SIGTERM");
    expect(await home.ended).toBe(0);
    expect(home.stdout).toBe("");
  });
});

describe("culvert token", () => {
  const token = (...args: string[]) => start(["token", ...args, "--state", join(folder, "agent.json")]);

  test("makes a token for visitors, lists it without its text, and revokes it", async () => {
    const server = serve({}, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN });
    const url = await server.printed(/listening on (.*)/);
    await agent(url, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN }).printed(/^connected as home$/m);
    const made = token("create", "--name", "my phone", "--expires", "12h");
    expect(await made.ended).toBe(0);
    const visitorToken = made.stdout.trim();
    const headers = { authorization: `Bearer ${visitorToken}` };
    expect(await (await fetch(`${url}/x?clientId=home`, { headers })).text()).toBe("hello /x?clientId=home");
    const again = token("create", "--name", "my phone");
    expect(await again.ended).toBe(1);
    expect(again.stderr).toBe("culvert: the server answered 409: The home has a token of that name.\n");
    const listed = token("list");
    expect(await listed.ended).toBe(0);
    expect(listed.stdout).toMatch(/^ +NAME +MADE +EXPIRES\n +my phone +\d{4}-\S+Z +\d{4}-\S+Z\n$/);
    expect(await token("revoke", "--name", "my phone").ended).toBe(0);
    const gone = token("revoke", "--name", "my phone");
    expect(await gone.ended).toBe(1);
    expect(gone.stderr).toContain("no token of that name");
  });

  test.each([
    [["token"], "token takes create, list or revoke"],
    [["token", "create"], "--name"],
    [["token", "create", "--name", "a", "--expires", "soon"], "--expires must be a time such as 90d"],
    [["token", "list", "--state", "/nowhere/agent.json"], "has no client token"],
    [["invite"], "--client-id"],
  ])("ends %j with one clear line", async (args, line) => {
    const command = start(args);
    expect(await command.ended).toBe(1);
    expect(command.stderr).toMatch(/^culvert: [^\n]+\n$/);
    expect(command.stderr).toContain(line);
  });
});

describe("culvert token for an agent that keeps no file", () => {
  test("takes its client token from a file and the environment, and warns of one that the process list shows", async () => {
    const server = serve({}, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN });
    const url = await server.printed(/listening on (.*)/);
    await agent(url, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN }).printed(/^connected as home$/m);
    const file = join(folder, "token");
    writeFileSync(file, clientToken(), { mode: 0o600 });
    const environment = { CULVERT_CLIENT_TOKEN_FILE: file, CULVERT_CLIENT_ID: "home", CULVERT_SERVER: url };
    const made = start(["token", "create", "--name", "phone"], environment);
    expect(await made.ended).toBe(0);
    expect(made.stderr).toBe("");
    const place = ["--client-id=home", `--server=${url}`, `--client-token=${clientToken()}`];
    const listed = start(["token", "list", ...place]);
    expect(await listed.ended).toBe(0);
    expect(listed.stdout).toContain("phone");
    expect(listed.stderr).toBe(
      "culvert: --client-token shows its secret in the process list: use --client-token-file\n",
    );
    const config = join(folder, "agent.yaml");
    const home = (clientId: string) => [`  ${clientId}:`, "    client-token-file: token", "    to: 3000"];
    writeFileSync(config, [`server: ${url}`, "homes:", ...home("home"), ...home("other")].join("\n"));
    const ofFile = start(["token", "list", "--config", config, "--client-id=home"]);
    expect(await ofFile.ended).toBe(0);
    expect(ofFile.stdout).toContain("phone");
    const ofNone = start(["token", "list", "--config", config]);
    expect(await ofNone.ended).toBe(1);
    expect(ofNone.stderr).toBe("culvert: the configuration file has 2 homes: choose one with --client-id\n");
    const nowhere = start(["token", "list", `--client-token=${clientToken()}`]);
    expect(await nowhere.ended).toBe(1);
    expect(nowhere.stderr).toContain("a client token needs --client-id and --server");
    expect(nowhere.stderr).not.toContain(clientToken());
    const other = start(["token", "list", "--client-id=other", "--state", join(folder, "agent.json")]);
    expect(await other.ended).toBe(1);
    expect(other.stderr).toContain("is of client id home");
  });
});

describe("culvert invite", () => {
  test("prints what registers that client id once, beside a server that runs", async () => {
    const database = `sqlite:${join(folder, "culvert.db")}`;
    const server = serve({ database }, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN });
    const url = await server.printed(/listening on (.*)/);
    const config = join(folder, "server.yaml");
    writeFileSync(config, "database: sqlite:culvert.db\ndomain: tunnel.example.org\n");
    const elsewhere = join(folder, "other.db");
    const lost = start(["invite", "--client-id", "home", `--database=sqlite:${elsewhere}`]);
    expect(await lost.ended).toBe(1);
    expect(lost.stderr).toContain("there is no such database: name the server's own");
    expect(existsSync(elsewhere)).toBe(false);
    const command = start(["invite", "--client-id", "home", "--config", config]);
    expect(await command.ended).toBe(0);
    const file = join(folder, "invite");
    writeFileSync(file, command.stdout, { mode: 0o600 });
    const running = agent(url, { CULVERT_INVITE_FILE: file });
    await running.printed(/^connected as home$/m);
    // The command that the agent names for a visitor's token, as it stands there.
    const [, line = ""] = / culvert (token create .*)$/m.exec(running.stdout) ?? [];
    expect(line).toContain("--client-id home --state ");
    expect(await start(line.split(" ")).ended).toBe(0);
    expect(running.stdout + running.stderr).not.toContain(command.stdout.trim());
  });
});

describe("a configuration file", () => {
  const written = (text: string, mode = 0o600): string => {
    const file = join(folder, "culvert.yaml");
    writeFileSync(file, text, { mode });
    return file;
  };

  test("starts a server, and warns of a secret in it that others can read", async () => {
    const file = written(
      `bind: 127.0.0.1\nport: 0\nadmin-port: 0\ndatabase: "sqlite::memory:"\naccess-token: ${ACCESS_TOKEN}\n`,
      0o644,
    );
    const server = start(["serve", "--config", file]);
    await server.printed(/^listening on /m);
    await server.logged(/line 5: access-token is a secret that others can read: run chmod go-r on the file/);
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
    expect(server.stdout + server.stderr).not.toContain(ACCESS_TOKEN);
  });

  test("stops the start with one line that names the file's", async () => {
    const file = written("port: 0\nadmin-prot: 0\n");
    const server = start(["serve", "--config", file]);
    expect(await server.ended).toBe(1);
    expect(server.stderr).toBe(`culvert: ${file} line 2: admin-prot is unknown; did you mean admin-port?\n`);
  });

  test("brings several homes with one agent, of which one that fails does not end the others", async () => {
    const server = serve({ "path-routing": "on" }, { TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN });
    const url = await server.printed(/listening on (.*)/);
    const file = written(`
server: ${url}
access: public
access-token: ${ACCESS_TOKEN}
exit-on-error: on
homes:
  music: { to: ${originPort()}, state: music.json }
  photos: { to: { /p: ${originPort()} }, state: photos.json }
  strange: { to: ${originPort()}, client-token: wrong }
`);
    const running = start(["agent", "--config", file]);
    await running.printed(/^connected as music$/m);
    await running.printed(/^connected as photos$/m);
    await running.logged(/"home":"strange".*this home has ended: /);
    expect(await (await fetch(`${url}/t/music/x`)).text()).toBe("hello /x");
    expect(await (await fetch(`${url}/t/photos/p/x`)).text()).toBe("hello /p/x");
    running.signal("SIGTERM");
    expect(await running.ended).toBe(0);
  });
});

describe("culvert", () => {
  test.each([
    [["--version"], /^\d+\.\d+\.\d+\n$/],
    [["version"], /^\d+\.\d+\.\d+\n$/],
    [["-v"], /^\d+\.\d+\.\d+\n$/],
    [["help"], /culvert serve/],
    [["help", "agent"], /--client-id ID +CULVERT_CLIENT_ID/],
    [["help", "revoke"], /culvert revoke --client-id/],
    [["help", "completion"], /source <\(culvert completion bash\)/],
    [["completion", "bash"], /^complete -F _culvert culvert$/m],
    [["serve", "--help"], /--help-limits/],
    [["serve", "--help-limits"], /^ {2}graceMs=30000 +30 s +a session waits/m],
    [["agent", "--help-limits"], /^ {2}sendBytesHigh=1048576 +1 MiB +not yet sent/m],
    [["--help"], /culvert serve/],
    [["serve", "--help"], /--admin-port PORT +ADMIN_PORT/],
    [["agent", "--help"], /--client-id ID +CULVERT_CLIENT_ID/],
    [["token", "create", "--help"], /--expires TIME/],
    [["invite", "--help"], /--client-id ID/],
  ])("answers %j on stdout and exits 0", async (args, expected) => {
    const command = start(args);
    expect(await command.ended).toBe(0);
    expect(command.stdout).toMatch(expected);
    expect(command.stderr).toBe("");
  });

  test("names the nearest page of help for one that there is not", async () => {
    const command = start(["help", "agnet"]);
    expect(await command.ended).toBe(1);
    expect(command.stderr).toBe("culvert: there is no help on agnet; did you mean agent?\n");
  });

  test("names the nearest command for one that it does not know", async () => {
    const command = start(["sevre"]);
    expect(await command.ended).toBe(1);
    expect(command.stderr).toBe("culvert: sevre is no command; did you mean serve?\n");
  });
});
