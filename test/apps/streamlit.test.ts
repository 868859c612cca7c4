/** Streamlit in a browser: its page over a WebSocket, an upload through it, and what the script makes of that. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { temporaryFolder } from "../helpers/tunnel.ts";
import { describeApp, isWhole } from "./tools/app.ts";
import { openBrowser } from "./tools/browser.ts";
import { fromPyPI } from "./tools/cache.ts";
import { MIB, sha256Of, writeRandomFile } from "./tools/files.ts";
import { freePort, serve } from "./tools/programs.ts";

const BYTES = isWhole ? 50 * MIB : 10 * MIB;

const SCRIPT = `
import hashlib
import streamlit as st

given = st.file_uploader("a file")
if given is not None:
    st.write("came: " + hashlib.sha256(given.getvalue()).hexdigest())
`;

describeApp({
  name: "Streamlit",
  front: "caddy",
  install: () => fromPyPI("streamlit==1.67.0"),
  use: async (programs, publish) => {
    const folder = temporaryFolder();
    const script = join(folder, "script.py");
    writeFileSync(script, SCRIPT);
    const port = await freePort();
    const options = [
      "--server.address=127.0.0.1",
      "--server.headless=true",
      "--browser.gatherUsageStats=false",
    ];
    await serve(join(programs, "streamlit"), ["run", script, `--server.port=${port}`, ...options], port, {
      environment: { HOME: folder },
    });
    const sent = join(folder, "sent");
    writeRandomFile(sent, BYTES);
    const browser = await openBrowser(await publish(port));
    await browser.open("/");
    const text = () => browser.evaluate("document.body.innerText");
    await expect
      .poll(() => browser.evaluate("document.querySelector('input[type=file]') !== null"))
      .toBe(true);
    await browser.choose("input[type=file]", [sent]);
    await expect.poll(text).toContain(`came: ${await sha256Of(sent)}`);
  },
});
