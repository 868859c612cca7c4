import { describe, expect, it } from "vitest";
import { parseIpBlock } from "../../../../core/http/ip.ts";
import type { ServerReport } from "../../../../core/report.ts";
import { SERVER_SETTINGS, type ServerSettings } from "../../../../core/server/config.ts";
import { picked } from "../../../../core/settings/changes.ts";
import { TestServer } from "../../../helpers/test-server.ts";

function change(server: TestServer, settings: Partial<ServerSettings>): ServerReport | undefined {
  const before = picked(server.state.config, SERVER_SETTINGS);
  server.dispatch({ type: "settings_changed", settings: { ...before, ...settings } });
  return server.reports.at(-1);
}

describe("settings that were read again", () => {
  it("hold from then on, and are named", () => {
    const server = new TestServer();
    const headers = ["origin", "https://a.example.org"];
    const allowed = () => server.open({ target: "/health", headers }).header("access-control-allow-origin");
    expect(allowed()).toBe("https://a.example.org");
    expect(change(server, { corsOrigins: ["https://b.example.org"] })).toEqual({
      type: "settings_changed",
      changed: ["corsOrigins"],
      waiting: [],
    });
    expect(allowed()).toBeUndefined();
  });

  it("name nothing where nothing is new", () => {
    expect(change(new TestServer(), {})).toMatchObject({ changed: [], waiting: [] });
  });

  it("trust other proxies, also the connections that they have already", () => {
    const server = new TestServer({}, { pathRouting: true });
    server.tunnel();
    change(server, { trustedProxies: ["192.0.2.0/24"] });
    expect(server.proxies).toEqual([parseIpBlock("192.0.2.0/24")]);
    expect(server.state.trustedProxies).toEqual(server.proxies);
    change(server, { trustedProxies: [] });
    expect(server.proxies).toEqual([]);
  });

  it("order nothing of proxies where they stay as they are", () => {
    const server = new TestServer();
    change(server, { queryTokens: false });
    expect(server.proxies).toBeNull();
  });

  it("let in fewer at a time, and leave those who are in", () => {
    const server = new TestServer();
    const { limits } = server.state.config;
    const tunnels = [server.tunnel("one"), server.tunnel("two")];
    expect(change(server, { limits: { ...limits, tunnelsMax: 1 } })).toMatchObject({
      changed: ["limits.tunnelsMax"],
    });
    expect(server.tunnel("three").refusal).toMatchObject({ status: 503, code: "limit_tunnels" });
    expect(tunnels.map(({ closed }) => closed)).toEqual([null, null]);
  });

  it("wait for a restart where agents were told of them, or more is built upon them", () => {
    const server = new TestServer();
    const { limits } = server.state.config;
    const report = change(server, {
      domain: "tunnel.example.org",
      pathRouting: true,
      limits: { ...limits, graceMs: 1, heldBytesTotal: limits.heldBytesTotal * 2, drainMs: 7 },
    });
    expect(report).toEqual({
      type: "settings_changed",
      changed: ["limits.drainMs"],
      waiting: ["domain", "pathRouting", "limits.graceMs", "limits.heldBytesTotal"],
    });
    const { config } = server.state;
    expect(config).toMatchObject({ domain: null, pathRouting: false });
    expect(config.limits).toEqual({ ...limits, drainMs: 7 });
  });
});
