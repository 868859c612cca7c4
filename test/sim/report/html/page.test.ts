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
import { drawPicture } from "../../../../sim/run/picture.ts";
import { run } from "../../../../sim/run/run.ts";
import { ACCESS_TOKEN, clientTokenOf, signatureTokenOf } from "../../../../sim/scenario/request.ts";
import { busyScenario, homeNamed } from "../../scenarios.ts";
import { broken, dataOf, OPTIONS, someFaults } from "./pictures.ts";

const TOKEN = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/;

const crashing: Property = {
  name: "crashing",
  create: () => ({
    visitHead: () => {
      throw new TypeError("the checker itself is broken");
    },
  }),
};

/** What the page says without its script. */
function textIn(html: string): string {
  return html.slice(html.indexOf("<title>"), html.indexOf("<script"));
}

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
