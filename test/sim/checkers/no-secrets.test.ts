import { expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import { noSecrets } from "../../../sim/checkers/no-secrets.ts";
import { judge, responds, tick, tunnel } from "./steps.ts";
import { TOKEN } from "./tokens.ts";

test("no_secrets finds a token in a report, a problem and a reason", () => {
  const report = (detail: string): ServerEffect => ({
    type: "report",
    report: { type: "agent_protocol_error", socket: tunnel, detail },
  });
  const close = (reason: string): ServerEffect => ({
    type: "socket_close",
    socket: tunnel,
    code: 1008,
    reason,
  });
  for (const effect of [
    report,
    close,
    (text: string) => responds(401, text),
    (text: string) => responds(401, "", ["x", text]),
  ]) {
    expect(judge(noSecrets, [[1, tick, effect("nothing to hide")]])).toBe(0);
    expect(judge(noSecrets, [[1, tick, effect(`it was ${TOKEN}`)]])).toBe(1);
  }
});
