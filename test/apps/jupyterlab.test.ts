/** JupyterLab in a browser: it signs in by the link that Jupyter prints, starts a kernel and runs a cell, whose lines come as they are written. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { temporaryFolder } from "../helpers/tunnel.ts";
import { describeApp } from "./tools/app.ts";
import { openBrowser } from "./tools/browser.ts";
import { fromPyPI } from "./tools/cache.ts";
import { freePort, serve } from "./tools/programs.ts";

const CELL = ["import time\n", "for each in range(3):\n", "    print('line', each * 111, flush=True)\n"];

const NOTEBOOK = {
  cells: [
    {
      cell_type: "code",
      id: "first",
      execution_count: null,
      metadata: {},
      outputs: [],
      source: [...CELL, "    time.sleep(1)\n"],
    },
  ],
  metadata: { kernelspec: { name: "python3", display_name: "Python 3", language: "python" } },
  nbformat: 4,
  nbformat_minor: 5,
};

describeApp({
  name: "JupyterLab",
  front: "nginx",
  install: () => fromPyPI("jupyterlab==4.6.6", "ipykernel==7.4.0"),
  use: async (programs, publish) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "book.ipynb"), JSON.stringify(NOTEBOOK));
    const port = await freePort();
    const options = [
      "--no-browser",
      "--allow-root",
      "--ServerApp.ip=127.0.0.1",
      `--ServerApp.port=${port}`,
      `--ServerApp.root_dir=${folder}`,
      "--IdentityProvider.token=secret",
      // Gives the page a handle on its commands.
      "--LabApp.expose_app_in_browser=True",
    ];
    const environment = { HOME: folder, PATH: `${programs}:${process.env.PATH}` };
    await serve(join(programs, "jupyter-lab"), options, port, { environment });
    const browser = await openBrowser(await publish(port));
    await browser.open("/lab/tree/book.ipynb?token=secret");
    // What is run before the kernel is there waits for a person's answer.
    const kernel = `[...(window.jupyterapp?.shell.widgets("main") ?? [])]
      .flatMap(({ sessionContext }) => sessionContext?.session?.kernel?.status ?? [])[0]`;
    await expect.poll(() => browser.evaluate(kernel)).toBe("idle");
    await browser.evaluate(`void window.jupyterapp.commands.execute("notebook:run-all-cells")`);
    const output = () =>
      browser.evaluate(`document.querySelector('.jp-OutputArea-output')?.innerText.trim() ?? ""`);
    await expect.poll(output).toBe("line 0\nline 111\nline 222");
  },
});
