/** The picture of a run as its reader sees it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drawPicture } from "../../../../sim/run/picture.ts";
import { Chromium, hasChromium } from "../../../helpers/chromium.ts";
import { busyScenario } from "../../scenarios.ts";
import { broken, dataOf, largeScenario, OPTIONS, someFaults } from "./pictures.ts";

// Elsewhere than in CI the page may go unlooked at, but not unsaid.
const isLeftOut = !hasChromium() && process.env.CI !== "true";
if (isLeftOut) console.info("left out: the picture in a browser, for there is no chromium here");

describe.skipIf(isLeftOut)("in a browser, the page", () => {
  let folder = "";
  let chromium: Chromium;

  beforeAll(async () => {
    if (!hasChromium()) throw new Error("there is no chromium; Debian's package is called so");
    folder = await mkdtemp(join(tmpdir(), "culvert-picture-"));
    chromium = await Chromium.start();
  });

  afterAll(async () => {
    await chromium?.stop();
    if (folder !== "") await rm(folder, { recursive: true, force: true });
  });

  /** Opens it as a reader does who has nothing but the file. */
  async function open(html: string, scheme: "light" | "dark" = "light"): Promise<void> {
    const file = join(folder, "picture.html");
    await writeFile(file, html);
    chromium.errors.length = 0;
    chromium.requests.length = 0;
    await chromium.look(1600, 900, scheme);
    await chromium.open(pathToFileURL(file).href);
    await chromium.evaluate(`new Promise((resolve) => {
      const look = () => document.body.dataset.ready === "yes" ? resolve() : requestAnimationFrame(look);
      look();
    })`);
  }

  const frame = () =>
    chromium.evaluate("new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))");
  const textOf = (selector: string) =>
    chromium.evaluate(`document.querySelector(${JSON.stringify(selector)}).textContent`);
  const count = (selector: string) =>
    chromium.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
  const click = async (selector: string) => {
    await chromium.evaluate(
      `document.querySelector(${JSON.stringify(selector)}).dispatchEvent(new MouseEvent("click", { bubbles: true }))`,
    );
    await frame();
  };

  test("shows a failed run at the place where it broke", async () => {
    await open(drawPicture(busyScenario(someFaults()), { ...OPTIONS, properties: [broken] }));
    const isInView = `(() => {
      const { top, bottom } = document.querySelector(".banner.violation").getBoundingClientRect();
      const view = document.getElementById("scroller").getBoundingClientRect();
      return top > view.top && bottom < view.bottom;
    })()`;
    expect(await chromium.evaluate(isInView)).toBe(true);
    expect(await textOf("#details h2")).toMatch(/^never_bytes: visit \d+ got <bytes>/);
    await click("#details .card a");
    expect(await textOf("#details .where")).toMatch(/^visit \d+/);
    expect(await count(".words.cause.selected")).toBe(1);
    expect(chromium.errors).toEqual([]);
    expect(chromium.requests).toHaveLength(1);
  });

  test("shows a run of ten thousand steps a window at a time, at every zoom", async () => {
    const html = drawPicture(largeScenario(), OPTIONS);
    expect(dataOf(html).moments.filter(([, , , step]) => step !== -1).length).toBeGreaterThan(10_000);
    await open(html);
    for (const zoom of ["#in", "#out", "#out", "#out", "#out", "#out", "#out"]) {
      await click(zoom);
      for (const share of [0.4, 1]) {
        await chromium.evaluate(
          `(() => { const s = document.getElementById("scroller"); s.scrollTop = s.scrollHeight * ${share}; })()`,
        );
        await frame();
        const nodes = Number(await count("#stage *"));
        expect(nodes).toBeGreaterThan(20);
        expect(nodes).toBeLessThan(8_000);
      }
    }
    expect(chromium.errors).toEqual([]);
  });

  test("shows one visit alone, its details, and the way back", async () => {
    await open(drawPicture(busyScenario(), OPTIONS));
    const all = await textOf("#count");
    await click("[data-tab=visits]");
    await click("[data-visitor='0']");
    const name = await chromium.evaluate("document.getElementById('only').selectedOptions[0].textContent");
    expect(name).toMatch(/^visit \d+$/);
    expect(await textOf("#count")).not.toBe(all);
    expect(await textOf("#details .topics")).toContain(`only ${name}`);
    expect(await count(".words")).toBeGreaterThan(8);
    await click(".words");
    await chromium.press("j");
    await frame();
    expect(await count(".words.selected")).toBe(1);
    await chromium.press("Escape");
    await frame();
    expect(await textOf("#count")).toBe(all);
    expect(chromium.errors).toEqual([]);
  });

  test("finds what is searched for, and goes from hit to hit", async () => {
    await open(drawPicture(busyScenario(), OPTIONS));
    await chromium.press("/");
    for (const key of "registry_call") await chromium.press(key);
    await frame();
    expect(Number(await textOf("#hits"))).toBeGreaterThan(1);
    await chromium.press("Enter");
    await frame();
    const first = await chromium.evaluate("location.hash");
    expect(first).toMatch(/^#moment=\d+$/);
    await chromium.press("Enter");
    await frame();
    expect(await chromium.evaluate("location.hash")).not.toBe(first);
    expect(await textOf("#details")).toContain("registry_call");
  });

  test("leads from a fault of the table to its mark", async () => {
    await open(drawPicture(busyScenario(someFaults()), OPTIONS));
    await click("[data-fault='3']");
    expect(await textOf("#details h2")).toBe("node_crashes");
    expect(await textOf(".words.selected")).toBe("node_crashes");
    expect(Number(await count(".band"))).toBeGreaterThan(0);
  });

  test("has colours for light and for dark, and takes the reader's choice", async () => {
    const html = drawPicture(busyScenario(), OPTIONS);
    const paper = () => chromium.evaluate("getComputedStyle(document.documentElement).backgroundColor");
    await open(html, "light");
    const light = await paper();
    const lightShot = await chromium.screenshot();
    await open(html, "dark");
    const dark = await paper();
    expect(dark).not.toBe(light);
    expect((await chromium.screenshot()).equals(lightShot)).toBe(false);
    await click("#theme");
    expect(await paper()).toBe(light);
  });
});
