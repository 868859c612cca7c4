import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { serviceText, socketText, type UnitOptions } from "../../../adapters/install/unit.ts";
import { readInstallConfig } from "../../../adapters/settings/install.ts";
import { temporaryFolder } from "../../helpers/tunnel.ts";

const UNITS = join(import.meta.dirname, "../../../deploy/systemd");
const COMMAND = ["/usr/local/bin/culvert"];

const SOCKETS = {
  visitors: { address: "0.0.0.0", port: 8000 },
  operator: { address: "127.0.0.1", port: 8001 },
};

const server: UnitOptions = {
  program: "server",
  isOfUser: false,
  sockets: SOCKETS,
  command: COMMAND,
  flags: [{ name: "access-token-file", value: "/etc/culvert/access-token", namesSecretFile: true }],
};

function linesOf(options: Partial<UnitOptions>): readonly string[] {
  return serviceText({ ...server, ...options }).split("\n");
}

describe("a unit", () => {
  // `npx vitest run test/adapters/install --update` writes them anew.
  test("of a server is the one in deploy/systemd", async () => {
    await expect(serviceText(server)).toMatchFileSnapshot(join(UNITS, "culvert.service"));
  });

  test("of a server's ports is the one in deploy/systemd", async () => {
    await expect(socketText(SOCKETS)).toMatchFileSnapshot(join(UNITS, "culvert.socket"));
  });

  test("of ports at addresses of IPv6 has them in brackets", () => {
    expect(socketText({ ...SOCKETS, visitors: { address: "::", port: 443 } })).toContain(
      "\nListenStream=[::]:443\nListenStream=127.0.0.1:8001\n",
    );
  });

  test("of a server waits for its ports where systemd has them, and takes no right to low ones", () => {
    const flags = [{ name: "port", value: "443", namesSecretFile: false }];
    expect(linesOf({ flags })).toEqual(
      expect.arrayContaining(["Requires=culvert.socket", "CapabilityBoundingSet="]),
    );
    expect(linesOf({ flags, sockets: null }).join("\n")).not.toContain("culvert.socket");
  });

  test("of an agent is the one in deploy/systemd", async () => {
    const flags = [
      { name: "server", value: "https://tunnel.example.net", namesSecretFile: false },
      { name: "to", value: "http://127.0.0.1:3000", namesSecretFile: false },
      ...server.flags,
    ];
    const text = serviceText({ ...server, program: "agent", sockets: null, flags });
    await expect(text).toMatchFileSnapshot(join(UNITS, "culvert-agent.service"));
  });

  test("gives a secret to the service as a credential, and its path to nobody", () => {
    const lines = linesOf({});
    expect(lines).toContain("LoadCredential=access-token-file:/etc/culvert/access-token");
    expect(lines.find((line) => line.startsWith("ExecStart="))).toContain(
      "--access-token-file=%d/access-token-file",
    );
  });

  test("of a user reads his own files, and sets up nothing that takes root", () => {
    const lines = linesOf({ isOfUser: true });
    expect(lines.find((line) => line.startsWith("ExecStart="))).toContain(
      "--access-token-file=/etc/culvert/access-token",
    );
    expect(
      lines.filter((line) => /^(DynamicUser|LoadCredential|Protect|Private|Capability)/.test(line)),
    ).toEqual([]);
    expect(lines).toContain("WantedBy=default.target");
  });

  test.each([
    ["443", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE"],
    ["8000", "CapabilityBoundingSet="],
    ["0", "CapabilityBoundingSet="],
  ])("that listens by itself on port %s has %s", (value, line) => {
    const flags = [{ name: "port", value, namesSecretFile: false }];
    expect(linesOf({ flags, sockets: null })).toContain(line);
  });

  test.each([
    ["a b", '"--domain=a b"'],
    ['a"b', '"--domain=a\\"b"'],
    ["a\\b", '"--domain=a\\\\b"'],
    ["a;b", '"--domain=a;b"'],
    ["50%", "--domain=50%%"],
    ["$HOME", "--domain=$$HOME"],
  ])("passes the word %s on as it is", (value, word) => {
    const lines = linesOf({ flags: [{ name: "domain", value, namesSecretFile: false }] });
    expect(lines).toContain(`ExecStart=/usr/local/bin/culvert serve ${word}`);
  });
});

describe("the command line of an installation", () => {
  const agent = ["agent", "--", "--server=http://127.0.0.1:1", "--to=http://127.0.0.1:2"];

  test("is checked as the program would check it", () => {
    expect(() => readInstallConfig(["agent", "--", "--to=http://x"])).toThrow("--server");
    expect(() => readInstallConfig(["server", "--", "--prot=1"])).toThrow(
      "--prot is unknown; did you mean --port?",
    );
  });

  test("has systemd listen where the server would, whichever way that was said", () => {
    const sockets = (...flags: readonly string[]) => readInstallConfig(["server", "--", ...flags]).sockets;
    expect(sockets()).toEqual(SOCKETS);
    const file = join(temporaryFolder(), "server.yaml");
    writeFileSync(file, "port: 443\nadmin-bind: ::1\n");
    expect(sockets("--config", file, "--bind=::")).toEqual({
      visitors: { address: "::", port: 443 },
      operator: { address: "::1", port: 8001 },
    });
  });

  test.each(["--port=0", "--admin-port=0", "--bind=localhost", "--admin-bind=localhost"])(
    "leaves the ports to the server with %s, which systemd has no word for",
    (flag) => {
      expect(readInstallConfig(["server", "--", flag]).sockets).toBeNull();
    },
  );

  test("keeps the flags in their order, repeated ones too", () => {
    const { flags } = readInstallConfig([...agent, "--limit", "exchangesMax=5", "--limit=drainMs=6000"]);
    expect(flags.map(({ name, value }) => `${name}=${value}`)).toEqual([
      "server=http://127.0.0.1:1",
      "to=http://127.0.0.1:2",
      "limit=exchangesMax=5",
      "limit=drainMs=6000",
    ]);
  });

  test.each([
    [["client"], "install takes server or agent"],
    [[], "install takes server or agent"],
    [["agent", "--usr"], "--usr is unknown; did you mean --user?"],
    [["agent", "--server=http://x"], "flags of the program stand behind --"],
    [[...agent, "--access-token=word"], "--access-token shows its secret"],
  ])("refuses %j: %s", (words, message) => {
    expect(() => readInstallConfig(words)).toThrow(message);
  });
});
