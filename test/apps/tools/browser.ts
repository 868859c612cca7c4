/** A browser at a home's own name. */
import { onTestFinished } from "vitest";
import { Chromium } from "../../helpers/chromium.ts";
import type { Home } from "./app.ts";
import { fromDebian } from "./cache.ts";

export type Browser = {
  /** A path of the home, once it is loaded. */
  open(path: string): Promise<void>;
  evaluate(expression: string): Promise<unknown>;
  /** Once the page has a WebSocket over which something came. */
  hasWebSocket(): Promise<void>;
  /** Gives files to the first input that the selector finds. */
  choose(selector: string, files: readonly string[]): Promise<void>;
  screenshot(): Promise<Buffer>;
  look: Chromium["look"];
};

const SAID_CHARACTERS = 2_000;

/** A page that is stuck says nothing. */
function late(): Promise<string> {
  return new Promise((resolve) => setTimeout(resolve, 5_000, "nothing"));
}

export async function openBrowser({ url, flags }: Pick<Home, "url" | "flags">): Promise<Browser> {
  await fromDebian({ chromium: "chromium" });
  const chromium = await Chromium.start(flags);
  onTestFinished(async ({ task }) => {
    if (task.result?.state === "fail") {
      const text = await Promise.race([chromium.evaluate("document.documentElement.outerHTML"), late()]);
      console.error("the browser shows", String(text).slice(0, SAID_CHARACTERS));
      console.error("its errors", chromium.errors.slice(-10), chromium.failures.slice(-10));
      console.error("its latest requests", chromium.requests.slice(-10));
    }
    await chromium.stop();
  });
  // Chromium gives its requests up when any interface of the machine comes or goes, as those of containers do.
  chromium.on("Network.loadingFailed", () => {
    if (chromium.failures.at(-1)?.includes("net::ERR_NETWORK_CHANGED")) void chromium.call("Page.reload");
  });
  const heard = new Promise<void>((resolve) => chromium.on("Network.webSocketFrameReceived", resolve));
  return {
    open: (path) => chromium.open(url + path),
    evaluate: (expression) => chromium.evaluate(expression),
    hasWebSocket: () => heard,
    choose: async (selector, files) => {
      await chromium.call("DOM.enable");
      const { root } = (await chromium.call("DOM.getDocument")) as { root: { nodeId: number } };
      const { nodeId } = (await chromium.call("DOM.querySelector", { nodeId: root.nodeId, selector })) as {
        nodeId: number;
      };
      await chromium.call("DOM.setFileInputFiles", { nodeId, files });
    },
    screenshot: () => chromium.screenshot(),
    look: (...how) => chromium.look(...how),
  };
}
