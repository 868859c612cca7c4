import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { exposedSecrets } from "../../../adapters/settings/settings.ts";
import { readAgentConfig } from "../../helpers/settings.ts";
import { createCertificate } from "../origin/certificate.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function file(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "culvert-"));
  folders.push(folder);
  writeFileSync(join(folder, "file"), text);
  return join(folder, "file");
}

function read(server: string, flags: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  return readAgentConfig(["--server", server, "--to", "3000", ...flags], environment);
}

function proxyOf(server: string, environment: Readonly<Record<string, string>>, flags: string[] = []) {
  return read(server, flags, environment).proxy?.href ?? null;
}

describe("the proxy", () => {
  test("is that of the environment for the server's scheme, the lower-case name first", () => {
    const environment = { HTTPS_PROXY: "http://a:1", HTTP_PROXY: "http://b:2" };
    expect(proxyOf("https://t.example", environment)).toBe("http://a:1/");
    expect(proxyOf("wss://t.example", environment)).toBe("http://a:1/");
    expect(proxyOf("http://t.example", environment)).toBe("http://b:2/");
    expect(proxyOf("https://t.example", { ...environment, https_proxy: "c:3" })).toBe("http://c:3/");
    expect(proxyOf("https://t.example", { HTTPS_PROXY: "" })).toBeNull();
    expect(proxyOf("https://t.example", {})).toBeNull();
  });

  test("is the setting's, whatever the environment says", () => {
    const environment = { HTTPS_PROXY: "http://a:1", NO_PROXY: "*" };
    const flag = ["--proxy", "http://user:p%40ss@d.example:4"];
    expect(proxyOf("https://t.example", environment, flag)).toBe("http://user:p%40ss@d.example:4/");
    expect(proxyOf("https://t.example", { HTTPS_PROXY: "http://a:1" }, ["--proxy", "none"])).toBeNull();
  });

  test("may be in a file, and is a secret where it has a login", () => {
    const path = file("http://user:s3cret@p.example:3128\n");
    expect(proxyOf("https://t.example", {}, ["--proxy-file", path])).toContain("s3cret");
    expect(exposedSecrets("agent", ["--proxy", "http://u:s3cret@p"], {})).toEqual([
      expect.stringContaining("use --proxy-file"),
    ]);
    expect(exposedSecrets("agent", ["--proxy", "http://p:3128"], {})).toEqual([]);
  });

  test.each([
    ["*", true],
    ["other.example,t.example", true],
    ["other.example, T.Example", true],
    [".example", true],
    ["*.example", true],
    ["example", true],
    ["t.example:443", true],
    ["t.example:8443", false],
    ["xample", false],
    ["not-t.example", false],
    ["", false],
  ])("is not gone through for hosts in NO_PROXY: %j", (exceptions, isExcepted) => {
    const proxy = proxyOf("https://t.example", { HTTPS_PROXY: "http://a:1", NO_PROXY: exceptions });
    expect(proxy === null).toBe(isExcepted);
  });

  test.each([
    ["https://10.1.2.3", "10.0.0.0/8", true],
    ["https://10.1.2.3:8443", "10.1.2.3:8443", true],
    ["https://10.1.2.3", "10.1.2.3", true],
    ["https://10.1.2.3", "11.0.0.0/8", false],
    ["https://10.1.2.3", "3", false],
    ["https://[fd00::1]", "fd00::/8", true],
    ["https://[fd00::1]", "[fd00::1]", true],
    ["https://[fd00::1]:8443", "[fd00::1]:8443", true],
    ["https://[fd00::1]", "fd00::2", false],
  ])("is not gone through for addresses in NO_PROXY: %s %s", (server, exceptions, isExcepted) => {
    const proxy = proxyOf(server, { https_proxy: "http://a:1", no_proxy: exceptions });
    expect(proxy === null).toBe(isExcepted);
  });

  test.each(["socks5://s3cret:1", "http://a:s3cret/path", "http://%ff@s3cret:1", "http://a?s3cret"])(
    "is refused where it is none, wherever it comes from, without its text: %s",
    (text) => {
      expect(() => read("https://t.example", ["--proxy", text])).toThrow(
        /^--proxy must be the URL of an HTTP proxy/,
      );
      expect(() => read("https://t.example", ["--proxy", text])).not.toThrow(/s3cret/);
      expect(() => read("https://t.example", [], { HTTPS_PROXY: text })).toThrow(/^HTTPS_PROXY must be/);
      expect(() => read("https://t.example", [], { HTTPS_PROXY: text })).not.toThrow(/s3cret/);
      expect(read("https://t.example", ["--proxy", "none"], { HTTPS_PROXY: text }).proxy).toBeNull();
    },
  );
});

describe("the server's authority", () => {
  test("is all certificates of a file, whatever else is in it", () => {
    const [one, two] = [createCertificate().cert, createCertificate().cert];
    const { serverCa } = read("https://t.example", ["--server-ca", file(`# mine\n${one}\n# and\n${two}`)]);
    expect(serverCa?.match(/BEGIN/g)).toHaveLength(2);
    expect(read("https://t.example", []).serverCa).toBeNull();
  });

  test.each([
    ["no certificate", "nothing", /without a certificate/],
    ["a key", createCertificate().key, /without a certificate/],
    ["a broken one", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", /cannot be read/],
  ])("is refused where the file has %s", (_name, text, words) => {
    expect(() => read("https://t.example", ["--server-ca", file(text)])).toThrow(words);
  });

  test("is refused where there is no file", () => {
    expect(() => read("https://t.example", ["--server-ca", "/no/such/file"])).toThrow(/--server-ca.*ENOENT/);
  });
});
