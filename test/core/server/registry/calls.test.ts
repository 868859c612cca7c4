import { expect, it } from "vitest";
import { serverLimits } from "../../../../core/limits.ts";
import { TestServer } from "../../../helpers/test-server.ts";

const { registryRetryMs } = serverLimits;

/** How the failures were told since the last look. */
function told(server: TestServer): string {
  const reports = server.reports.splice(0);
  return reports.flatMap((report) => (report.type === "registry_failed" ? [report.level[0]] : [])).join("");
}

it.each(["unavailable", "commits_and_fails"] as const)(
  "a registry that fails (%s) is told at first and whenever it has failed twice as often, and anew when it was up between",
  (mode) => {
    const server = new TestServer();
    for (let outage = 0; outage < 2; outage++) {
      server.registry.mode = mode;
      const tunnel = server.tunnel(`home ${outage}`);
      server.advance(registryRetryMs * 8);
      expect(told(server)).toBe("eededdded");
      server.registry.mode = "answers";
      server.advance(registryRetryMs);
      expect(tunnel.isOpen).toBe(true);
    }
  },
);
