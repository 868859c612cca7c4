/** The picture of a run: what is recorded for it, and what the page says without a browser. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Script } from "node:vm";
import { describe, expect, test } from "vitest";
import type { Property } from "../../../../sim/record/checker.ts";
import { viewerScript } from "../../../../sim/report/html/page.ts";
import { type Message, PictureRecorder } from "../../../../sim/report/html/record.ts";
import { drawPicture } from "../../../../sim/run/picture.ts";
import { run } from "../../../../sim/run/run.ts";
import { ACCESS_TOKEN, clientTokenOf, signatureTokenOf } from "../../../../sim/scenario/request.ts";
import type { Fault, Scenario } from "../../../../sim/scenario/scenario.ts";
import { busyScenario, homeNamed, visit } from "../../scenarios.ts";
import { broken, dataOf, faultOf, OPTIONS, someFaults } from "./pictures.ts";

const TOKEN = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/;

const crashing: Property = {
  name: "crashing",
  create: () => ({
    visitHead: () => {
      throw new TypeError("the checker itself is broken");
    },
  }),
};

function record(scenario: Scenario): PictureRecorder {
  const recorder = new PictureRecorder(scenario);
  run(scenario, { trace: recorder });
  return recorder;
}

/** What the page says without its script. */
function textIn(html: string): string {
  return html.slice(html.indexOf("<title>"), html.indexOf("<script"));
}

describe("a recording", () => {
  test("changes nothing in the run", () => {
    const scenario = busyScenario(someFaults());
    expect(run(scenario, { trace: new PictureRecorder(scenario) }).hash).toBe(run(scenario).hash);
  });

  test("follows a visit from hop to hop and back", () => {
    const scenario = busyScenario([], { operations: [visit(0, 5_000, { answer: { bodyBytes: 100 } })] });
    const { moments, messages, topics } = record(scenario);
    const topic = topics.list.findIndex(({ name }) => name === "visit 0");
    const hops = messages
      .filter((message) => message.topics.includes(topic))
      .map(({ from, toPlace, family }) => `${moments[from]?.place} ${family} ${toPlace}`);
    const ways = [...new Set(hops)];
    expect(ways).toEqual([
      "visit:0 http node-0",
      "node-0 registry registry",
      "registry registry node-0",
      "node-0 tunnel agent:home0",
      "agent:home0 origin home:home0",
      "home:home0 origin agent:home0",
      "agent:home0 tunnel node-0",
      "node-0 http visit:0",
    ]);
  });

  test("lets every message begin before it ends, at the place that it names", () => {
    const { moments, messages } = record(busyScenario(someFaults()));
    const arrived = messages.filter(({ to }) => to !== null);
    expect(arrived.length).toBeGreaterThan(2_000);
    for (const { from, to, toPlace } of arrived) {
      const target = moments[to ?? -1];
      expect(moments[from]?.atUs).toBeLessThanOrEqual(target?.atUs ?? -1);
      expect(target?.place).toBe(toPlace);
    }
  });

  test("makes each step one moment, which says what it ordered", () => {
    const { moments } = record(busyScenario());
    const steps = moments.flatMap(({ step }) => (step === null ? [] : [step]));
    expect(steps).toEqual(steps.map((_, index) => index));
    const opened = moments.find(({ items }) => items[0]?.title === "exchange_opened" && items.length > 1);
    expect(opened?.items.map(({ kind }) => kind)).toEqual(["event", "effect"]);
    expect(opened?.label).toContain(" → ");
  });

  test("knows messages that never arrive", () => {
    const lost = (faults: readonly Fault[]): readonly Message[] => {
      const scenario = busyScenario(faults, { homes: [homeNamed("home0"), homeNamed("home1")] });
      return record(scenario).messages.filter(({ to, family }) => to === null && family === "tunnel");
    };
    expect(lost([])).toEqual([]);
    expect(lost([faultOf(1, "half_open", 6_000, 9_000, 0)]).length).toBeGreaterThan(0);
  });

  test("marks every fault where it acts, and counts what it did", () => {
    const { faults, moments } = record(busyScenario(someFaults()));
    expect(
      faults.map(({ fault, place, moment }) => [fault.kind, place, moments[moment ?? -1]?.tone]),
    ).toEqual([
      ["stall_down", "agent:home0", "fault"],
      ["link_reset", "agent:home1", "fault"],
      ["registry_flaky", "registry", "fault"],
      ["node_crashes", "node-0", "fault"],
      ["agent_has_a_twin", "agent:home0", "fault"],
    ]);
    for (const { fired } of faults) expect(fired).toBeGreaterThan(0);
  });
});

describe("the page", () => {
  test("begins with what broke and the command that repeats it", () => {
    const html = textIn(drawPicture(busyScenario(), { ...OPTIONS, properties: [broken] }));
    expect(html).toContain("<title>busy: safety violated</title>");
    expect(html).toMatch(/class="chip">safety violated<\/span> <span id="what">never_bytes</);
    expect(html).toMatch(/got &lt;bytes&gt;\nin two lines/);
    expect(html).toMatch(/npm run sim -- --seed 7 --until \d+ --trace</);
    expect(html).toContain("abc1234");
  });

  test("says hash, steps and faults of a run that passed", () => {
    const scenario = busyScenario(someFaults());
    const { hash, steps } = run(scenario);
    const html = textIn(drawPicture(scenario, OPTIONS));
    expect(html).toContain('class="chip">passed<');
    expect(html).toContain(`<dd>${hash}</dd>`);
    expect(html).toContain(`<dd>${steps}</dd>`);
    expect(html).toContain("npm run sim -- --seed 7<");
    expect(html.match(/<tr data-fault=/g)).toHaveLength(5);
    expect(html).toContain("registry_<wbr>flaky");
  });

  test("ends at the wanted step", () => {
    const html = drawPicture(busyScenario(), { ...OPTIONS, until: 50 });
    expect(textIn(html)).toMatch(/stopped as asked[\s\S]*--until 50</);
    expect(Math.max(...dataOf(html).moments.map(([, , , step]) => step))).toBe(49);
  });

  test("shows a run up to a crash of the simulator", () => {
    const html = drawPicture(busyScenario(), { ...OPTIONS, properties: [crashing] });
    expect(textIn(html)).toContain('class="chip">simulator crashed<');
    expect(textIn(html)).toContain("the checker itself is broken");
    expect(textIn(html)).not.toContain("file:/");
    expect(dataOf(html).moments.at(-1)?.[4]).toBe("violation");
  });

  test("is written by the command line, beside the usual report", async () => {
    const folder = await mkdtemp(join(tmpdir(), "culvert-picture-"));
    try {
      const file = join(folder, "seed.html");
      const main = fileURLToPath(new URL("../../../../sim/main.ts", import.meta.url));
      const { stdout } = await promisify(execFile)(process.execPath, [main, "--seed", "1", "--html", file]);
      expect(stdout).toContain(`picture   ${file}`);
      const [, hash = "none"] = /^hash ([0-9a-f]+)/m.exec(stdout) ?? [];
      expect(textIn(await readFile(file, "utf8"))).toContain(`<dd>${hash}</dd>`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test("asks nobody for anything", () => {
    const html = drawPicture(busyScenario(), OPTIONS);
    expect(html.includes("default-src 'none'")).toBe(true);
    expect(html.match(/\b(src|href)=["'](?!#)|url\(["']?(?!#)|@import|fetch\(/g)).toBeNull();
  });

  test("holds a script that parses, with every slot of the template filled", () => {
    expect(() => new Script(viewerScript())).not.toThrow();
    expect(viewerScript().match(/^(import|export) .*/gm)).toBeNull();
    expect(drawPicture(busyScenario(), OPTIONS).match(/\{\{\w+\}\}/g)).toBeNull();
  });

  test("shows no token and nothing that a token is made of", () => {
    const scenario = busyScenario([], {
      homes: [homeNamed("home0", { registers: true }), homeNamed("home1")],
    });
    const html = drawPicture(scenario, OPTIONS);
    const text = JSON.stringify(dataOf(html));
    expect(text.includes("<token:")).toBe(true);
    expect(text.includes('"nonce","not shown"')).toBe(true);
    expect(text.match(TOKEN)).toBeNull();
    for (const secret of [ACCESS_TOKEN, clientTokenOf("home0"), signatureTokenOf("home1")]) {
      const disguises = ["hex", "base64"] as const;
      const parts = disguises.map((encoding) => Buffer.from(secret).toString(encoding).slice(0, 16));
      expect([secret, ...parts].filter((part) => html.includes(part) || text.includes(part))).toEqual([]);
    }
  });
});
