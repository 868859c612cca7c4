/** The server's process: alone, or the primary of several workers, or one of these. */
import { randomUUID } from "node:crypto";
import type { Signals } from "./operator/signals.ts";
import { openLog, print, untilEnded, warnOfExposed } from "./program.ts";
import { createReload } from "./reload.ts";
import { startServer } from "./server/server.ts";
import { readServeConfig } from "./settings/settings.ts";
import { inheritedListeners } from "./socket/listening.ts";
import { startPrimary } from "./workers/primary.ts";
import { ordersOfPrimary } from "./workers/worker.ts";

/** `culvert serve`: one process, or the primary of several. */
export async function serve(flags: readonly string[], signals: Signals): Promise<void> {
  const config = readServeConfig(flags, process.env);
  const accessToken = config.accessToken ?? randomUUID();
  const logger = openLog(config);
  warnOfExposed("serve", flags, logger);
  const inherited = inheritedListeners(process.env, process.pid);
  const settings = { ...config, accessToken, inherited };
  const server =
    config.workers === 1 ? await startServer(settings, logger) : await startPrimary(settings, logger);
  // The one secret that is ever shown: nobody could register an agent without it.
  if (config.accessToken === null) print(`access token for this run: ${accessToken}`);
  const { family, address, port } = server.address;
  print(`listening on http://${family === "IPv6" ? `[${address}]` : address}:${port}`);
  logger.info({ bind: config.adminBind, port: server.adminPort }, "admin listener ready");
  if (config.config !== null) {
    signals.onReload(
      createReload({
        first: config,
        read: () => readServeConfig(flags, process.env),
        change: (next) => server.change(next),
        atStart: [
          "bind",
          "port",
          "adminBind",
          "adminPort",
          "database",
          "accessToken",
          "logFormat",
          "peer",
          "publicUrl",
          "workers",
        ],
        logger,
      }),
    );
  }
  await untilEnded(server, { signals, logger, drainMs: config.limits.drainMs });
}

/** One of the primary's workers. It does what the primary says: a signal means all processes, and the primary hears it as well. */
export async function work(signals: Signals): Promise<void> {
  signals.onStop(() => {});
  signals.onReload(() => {});
  const orders = await ordersOfPrimary();
  const { settings, worker } = orders;
  const logger = openLog(settings).child({ worker });
  const server = await startServer(settings, logger);
  orders.obey(server, (level) => {
    logger.level = level;
  });
  await untilEnded(server, { signals: orders, logger, drainMs: settings.limits.drainMs });
}
