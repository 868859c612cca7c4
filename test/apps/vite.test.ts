/** Vite's development server: a page in a browser, and an edit that reaches it over the hot reload's WebSocket. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { temporaryFolder } from "../helpers/tunnel.ts";
import { describeApp } from "./tools/app.ts";
import { openBrowser } from "./tools/browser.ts";
import { fromNpm } from "./tools/cache.ts";
import { freePort, serve } from "./tools/programs.ts";

const PAGE = `<!doctype html><title>home</title><p id="said"></p><script type="module" src="/main.js"></script>`;

/** Takes its own successor without a reload of the page. */
const moduleOf = (said: string) => `
document.querySelector("#said").textContent = ${JSON.stringify(said)};
window.loads = (window.loads ?? 0) + 1;
import.meta.hot.accept();
`;

describeApp({
  name: "Vite",
  front: "nginx",
  install: () => fromNpm("vite@8.4.0"),
  use: async (packages, publish) => {
    const folder = temporaryFolder();
    const script = join(folder, "main.js");
    writeFileSync(join(folder, "index.html"), PAGE);
    writeFileSync(script, moduleOf("first"));
    const port = await freePort();
    const args = [join(packages, "vite/bin/vite.js"), folder, "--port", String(port), "--strictPort"];
    await serve(process.execPath, [...args, "--host", "127.0.0.1"], port);
    const browser = await openBrowser(await publish(port));
    await browser.open("/");
    const said = () => browser.evaluate(`document.querySelector("#said").textContent`);
    await expect.poll(said).toBe("first");
    // What is edited before the page listens would come by a reload, or not at all.
    await browser.hasWebSocket();
    writeFileSync(script, moduleOf("second"));
    await expect.poll(said).toBe("second");
    expect(await browser.evaluate("window.loads")).toBe(2);
  },
});
