import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { exposedSecrets, readServeConfig, settingsOf } from "../../../adapters/settings/settings.ts";
import { StartupError } from "../../../adapters/startup-error.ts";

const SECRET = "canary-secret-of-the-cluster-5d1f";
const OTHER = "canary-secret-of-the-cluster-6e2a";
const ENOUGH = ["--peer-bind=10.0.0.1", "--peer-url=http://10.0.0.1:8002", `--cluster-secret=${SECRET}`];

function fileOf(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "culvert-peer-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "given");
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

describe("the settings of a node among others", () => {
  test("are an address, what others dial and a secret", () => {
    expect(readServeConfig(ENOUGH, {})).toMatchObject({
      peer: {
        bind: "10.0.0.1",
        port: 8002,
        url: "http://10.0.0.1:8002",
        secrets: [SECRET],
        tls: { cert: null, key: null, ca: null },
      },
      publicUrl: null,
    });
  });

  test("come from the environment, with the secrets of a file one on each line", () => {
    const environment = {
      CULVERT_PEER_BIND: "::1",
      CULVERT_PEER_PORT: "9000",
      CULVERT_PEER_URL: "https://one.internal:9000/",
      CULVERT_PUBLIC_URL: "https://one.example.org/base",
      CULVERT_CLUSTER_SECRET_FILE: fileOf(`${SECRET}\n${OTHER}\n`),
      CULVERT_PEER_TLS_CERT: "/etc/culvert/peer.pem",
      CULVERT_PEER_TLS_KEY: "/etc/culvert/peer-key.pem",
      CULVERT_PEER_TLS_CA: "/etc/culvert/ca.pem",
    };
    expect(readServeConfig([], environment)).toMatchObject({
      peer: {
        bind: "::1",
        port: 9000,
        url: "https://one.internal:9000",
        secrets: [SECRET, OTHER],
        tls: {
          cert: "/etc/culvert/peer.pem",
          key: "/etc/culvert/peer-key.pem",
          ca: "/etc/culvert/ca.pem",
        },
      },
      publicUrl: "https://one.example.org/base",
    });
  });

  test("stand in a configuration file, whose folder its paths are from on", () => {
    const file = fileOf(
      `peer-bind: 10.0.0.1\npeer-url: https://one:8002\ncluster-secret: [${SECRET}, ${OTHER}]\npeer-tls-ca: ca.pem\n`,
    );
    const { peer } = readServeConfig(["--config", file], {});
    expect(peer).toMatchObject({ secrets: [SECRET, OTHER], tls: { ca: join(file, "../ca.pem") } });
  });

  test("let a node be reached by agents alone, and by nobody", () => {
    expect(readServeConfig(["--public-url=https://one.example.org"], {})).toMatchObject({
      peer: null,
      publicUrl: "https://one.example.org/",
    });
  });

  const without = (flag: string) => ENOUGH.filter((arg) => !arg.startsWith(flag));
  test.each([
    [without("--peer-url"), "--peer-bind needs --peer-url, which other nodes dial"],
    [
      without("--cluster-secret"),
      "--peer-bind needs --cluster-secret-file, the same at all nodes: run openssl rand -hex 32",
    ],
    [
      without("--peer-bind"),
      "--peer-url is for other nodes: give --peer-bind, where they reach this one, too",
    ],
    [
      [`--cluster-secret=${SECRET}`],
      "--cluster-secret is for other nodes: give --peer-bind, where they reach this one, too",
    ],
    [
      ["--peer-tls-ca=ca.pem"],
      "--peer-tls-ca is for other nodes: give --peer-bind, where they reach this one, too",
    ],
    [
      [...ENOUGH, "--cluster-secret=canary-secret-5d1f"],
      "--cluster-secret must have at least 32 characters: run openssl rand -hex 32",
    ],
    [
      [...ENOUGH, `--cluster-secret=${SECRET} ${SECRET}`],
      "--cluster-secret must be visible ASCII without spaces",
    ],
    [
      [...ENOUGH, `--cluster-secret=${OTHER}`, `--cluster-secret=${SECRET}x`],
      "--cluster-secret may be 2 at most: the one that signs, and another that is good",
    ],
    [
      [...without("--peer-url"), "--peer-url=tcp://10.0.0.1:8002"],
      "--peer-url must be an http:// or https:// URL, such as http://10.0.0.1:8002",
    ],
    [
      [...without("--peer-url"), "--peer-url=http://10.0.0.1:8002/base"],
      "--peer-url must have no path: it is where the node listens",
    ],
    [
      [...without("--peer-url"), `--peer-url=http://${"a".repeat(250)}`],
      "--peer-url must have at most 255 characters",
    ],
    [
      ["--public-url=one.example.org"],
      "--public-url must be an http:// or https:// URL, such as https://one.tunnel.example.org",
    ],
    [[...ENOUGH, "--peer-port=70000"], "--peer-port must be a port from 0 to 65535"],
    [
      [...ENOUGH, "--peer-tls-cert=peer.pem"],
      "--peer-tls-cert and --peer-tls-key go together: give both or neither",
    ],
    [
      [...ENOUGH, "--peer-tls-cert=peer.pem", "--peer-tls-key=key.pem"],
      "--peer-tls-cert makes the listener speak TLS: --peer-url must be https://",
    ],
  ])("refuse %j in one line that says what to do, and quotes no secret", (args, message) => {
    expect(() => readServeConfig(args, {})).toThrow(new StartupError(message));
    expect(message).not.toContain("canary");
  });

  test("keep the secret out of the process list where a file has it", () => {
    expect(settingsOf("serve").map(({ flag }) => flag)).toContain("cluster-secret-file");
    expect(exposedSecrets("serve", ENOUGH, {})).toEqual([
      "--cluster-secret shows its secret in the process list: use --cluster-secret-file or CULVERT_CLUSTER_SECRET_FILE",
    ]);
  });
});
