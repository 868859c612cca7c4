import { describe, expect, it } from "vitest";
import type { CertificateId } from "../../../../core/ids.ts";
import { serverLimits } from "../../../../core/limits.ts";
import { TestRegistry } from "../../../helpers/test-registry.ts";
import { TestServer } from "../../../helpers/test-server.ts";

const { addressStrangersMax, recallFreshMs, registryVisitorMs } = serverLimits;

function server(domain: string | null = "example.com", limits = {}) {
  const registry = new TestRegistry();
  const under = new TestServer(limits, { domain, hostnames: { "photos.example.org": "photos" } }, registry);
  registry.homes.set("away", { access: "public", seenMs: 0 });
  let question = 0;
  const ask = (name: string) => {
    under.dispatch({ type: "certificate_asked", question: ++question as CertificateId, name });
    return under.certificates.at(-1);
  };
  return { server: under, registry, ask };
}

describe("a certificate", () => {
  it.each(["example.com", "EXAMPLE.com", "example.com."])(
    "is granted for the server's own name, as %s",
    (name) => {
      const { ask, registry } = server();
      expect(ask(name)).toBe("1 granted");
      expect(registry.count("recall_home")).toBe(0);
    },
  );

  it("is granted for a name that the operator gave to a home, whether that was ever there", () => {
    const { ask, registry } = server(null);
    expect(ask("Photos.example.org")).toBe("1 granted");
    expect(ask("a.photos.example.org")).toBe("2 refused");
    expect(registry.count("recall_home")).toBe(0);
  });

  it.each([
    "example.org",
    "notexample.com",
    "a.home.example.com",
    "www.example.com",
    "a/b.example.com",
    ".example.com",
    "",
    `${"a".repeat(64)}.example.com`,
    `${"a.".repeat(10_000)}example.com`,
    "home.example.com.evil.org",
    "ho me.example.com",
    "127.0.0.1",
  ])("is refused for %j, about which the registry is not asked", (name) => {
    const { ask, registry } = server();
    expect(ask(name)).toBe("1 refused");
    expect(registry.count("recall_home")).toBe(0);
  });

  it("is refused for every name where homes have none", () => {
    expect(server(null).ask("home.example.com")).toBe("1 refused");
  });

  it("is granted for a home that is here, at once, while the registry is down too", () => {
    const { server: here, registry, ask } = server();
    here.tunnel("home");
    registry.modes.set("recall_home", "unavailable");
    expect(ask("home.example.com")).toBe("1 granted");
    expect(ask("HOME.example.com.")).toBe("2 granted");
    expect(registry.count("recall_home")).toBe(0);
  });

  it("is granted for a home that the registry remembers, and refused for one that it does not", () => {
    const { server: here, registry, ask } = server();
    expect(ask("away.example.com")).toBe("1 granted");
    expect(ask("nobody.example.com")).toBe("2 refused");
    for (let again = 0; again < 5; again++) ask("nobody.example.com");
    expect(here.certificates.slice(2)).toEqual([3, 4, 5, 6, 7].map((question) => `${question} refused`));
    expect(registry.count("recall_home")).toBe(2);
    here.advance(recallFreshMs);
    registry.homes.set("nobody", { access: "token", seenMs: here.nowMs });
    expect(ask("nobody.example.com")).toBe("8 granted");
    here.expectEmpty();
  });

  it("is neither granted nor refused while the registry does not answer", () => {
    const { server: here, registry, ask } = server();
    registry.modes.set("recall_home", "unavailable");
    ask("away.example.com");
    here.advance(registryVisitorMs);
    expect(here.certificates).toEqual(["1 unknown"]);
    here.expectEmpty();
  });

  it("is granted for a home that came while the registry did not answer", () => {
    const { server: here, registry, ask } = server();
    registry.modes.set("recall_home", "unavailable");
    ask("home.example.com");
    here.tunnel("home");
    here.advance(registryVisitorMs);
    expect(here.certificates).toEqual(["1 granted"]);
  });

  it("is asked about by at most one stranger's number of calls at a time, whoever points names here", () => {
    const { server: here, registry, ask } = server();
    registry.modes.set("recall_home", "holds");
    for (let name = 0; name < addressStrangersMax + 3; name++) ask(`home-${name}.example.com`);
    expect(registry.count("recall_home")).toBe(addressStrangersMax);
    expect(here.certificates).toHaveLength(3);
    expect(here.certificates.every((answer) => answer.endsWith("unknown"))).toBe(true);
  });
});
