import { type IncomingHttpHeaders, request } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Admin, startAdmin } from "../../../adapters/operator/admin.ts";
import { createMetrics, type Metrics } from "../../../adapters/operator/metrics.ts";
import { nodeHealth } from "../../../adapters/operator/node-health.ts";
import type { RegistryProblem } from "../../../adapters/registry/registry.ts";
import type { ServerSnapshot } from "../../../core/server.ts";
import { snapshotWith } from "../../helpers/snapshot.ts";

let admin: Admin;
let metrics: Metrics;
let now: ServerSnapshot;
let registryProblem: RegistryProblem | null;

beforeEach(async () => {
  now = snapshotWith({ tunnels: 3 });
  registryProblem = null;
  metrics = createMetrics(() => now);
  admin = await startAdmin({
    bind: "127.0.0.1",
    port: 0,
    health: nodeHealth({
      metrics,
      snapshot: () => now,
      certificateFor: async (name) =>
        name === "home.example.com" ? "granted" : name === "?" ? "unknown" : "refused",
      registryProblem: async () => registryProblem,
    }),
  });
});
afterEach(async () => {
  await admin.close();
  metrics.close();
});

type Answer = { status: number | undefined; headers: IncomingHttpHeaders; body: string };

function ask(path: string, options: { method?: string; host?: string; body?: string } = {}): Promise<Answer> {
  const { method = "GET", host = `127.0.0.1:${admin.port}`, body } = options;
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: "127.0.0.1", port: admin.port, path, method, headers: { host }, agent: false },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => {
          text += part;
        });
        response.on("end", () =>
          resolve({ status: response.statusCode, headers: response.headers, body: text }),
        );
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

describe("the admin listener", () => {
  test("says that it is healthy, to GET and HEAD", async () => {
    expect(await ask("/health")).toMatchObject({ status: 200, body: '{"healthy":true}' });
    const head = await ask("/health", { method: "HEAD" });
    expect(head).toMatchObject({ status: 200, body: "" });
    expect(head.headers["content-length"]).toBe("16");
  });

  test("is ready while the registry takes writes and nothing drains, and tells what is wrong where it does not", async () => {
    expect(await ask("/ready")).toMatchObject({ status: 200, body: '{"ready":true}' });
    registryProblem = { reason: "registry_full", detail: "make room" };
    expect(await ask("/ready")).toMatchObject({
      status: 503,
      body: '{"ready":false,"reason":"registry_full","detail":"make room"}',
    });
    now = snapshotWith({ draining: true });
    expect(await ask("/ready")).toMatchObject({ status: 503, body: '{"ready":false,"reason":"draining"}' });
  });

  test("says which names may get a certificate", async () => {
    const statusFor = async (query: string) => (await ask(`/tls-allowed${query}`)).status;
    expect(await statusFor("?domain=home.example.com")).toBe(200);
    expect(await statusFor("?x=1&domain=home%2Eexample.com")).toBe(200);
    expect(await statusFor("?domain=nobody.example.com")).toBe(404);
    expect(await statusFor("?domain=%3F")).toBe(503);
    expect(await statusFor("?domain=")).toBe(404);
    expect(await statusFor("")).toBe(400);
  });

  test("shows the metrics", async () => {
    const { status, headers, body } = await ask("/metrics?x=1");
    expect(status).toBe(200);
    expect(headers["content-type"]).toContain("text/plain");
    expect(body).toContain("culvert_tunnels 3");
  });

  test("shows a status page that loads nothing from elsewhere and may run nothing but its own script", async () => {
    const { status, headers, body } = await ask("/");
    expect(status).toBe(200);
    expect(headers["content-security-policy"]).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-/,
    );
    expect(body).not.toMatch(/https?:\/\//);
    expect(JSON.parse((await ask("/status.json")).body)).toMatchObject({
      tunnels: 3,
      outcomes: {},
      registryProblem: null,
    });
  });

  test("answers to IP literals, localhost and its own name only, against DNS rebinding (A09)", async () => {
    for (const host of ["127.0.0.1", "10.1.2.3:8001", "[::1]:8001", "localhost", "LOCALHOST:8001"]) {
      expect((await ask("/status.json", { host })).status, host).toBe(200);
    }
    for (const host of [
      "evil.example.org",
      "localhost.evil.example.org:8001",
      "127.0.0.1.example.org",
      "[x]",
    ]) {
      expect((await ask("/status.json", { host })).status, host).toBe(421);
    }
  });

  test("lets no other web site read it (A09)", async () => {
    expect((await ask("/status.json")).headers).not.toHaveProperty("access-control-allow-origin");
  });

  test("has no other path and no other method, and reads no body (R05)", async () => {
    expect((await ask("/secret")).status).toBe(404);
    expect((await ask("/health/")).status).toBe(404);
    const posted = await ask("/health", { method: "POST", body: "x".repeat(100) });
    expect(posted.status).toBe(405);
    expect(posted.headers).toMatchObject({ allow: "GET, HEAD", connection: "close" });
  });

  test("cannot be started on a port that is taken", async () => {
    const again = startAdmin({
      bind: "127.0.0.1",
      port: admin.port,
      health: nodeHealth({
        metrics,
        snapshot: () => now,
        certificateFor: async () => "refused",
        registryProblem: async () => null,
      }),
    });
    await expect(again).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});
