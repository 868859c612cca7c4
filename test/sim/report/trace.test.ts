import { expect, test } from "vitest";
import { redact, TraceRecorder } from "../../../sim/report/trace.ts";
import { tokenNamed } from "../../../sim/tools/hash.ts";

test("a trace shows no token, in whatever text it stands", () => {
  const lines: string[] = [];
  const recorder = new TraceRecorder((line) => lines.push(line));
  const token = tokenNamed("secret");
  recorder.line(1_500_000, "visit 1", `GET /ws?signature=${token}`);
  recorder.event(0, 1, "node", {
    type: "exchange_opened",
    headers: ["authorization", `Bearer ${token}`],
    nested: { token },
  });
  recorder.effect(0, "node", { type: "respond", body: new Uint8Array([1, 2]) });
  expect(lines.join("\n")).not.toContain(token);
  expect(lines[0]).toBe(`   1.500000 visit 1    GET /ws?signature=${redact(token)}`);
  expect(redact(token)).toMatch(/^<token:[0-9a-f]{4}>$/);
});
