/**
 * A TCP relay as a process of its own, so that what it costs is nobody else's CPU time. Usage: `relay-process.ts PORT
 * DELAY_MS`: delays what goes to and from that port of 127.0.0.1 by that much each way.
 */
import { startTcpRelay } from "../helpers/tcp-relay.ts";

const [port, delayMs] = process.argv.slice(2).map(Number);
if (!port || delayMs === undefined || !(delayMs >= 0))
  throw new Error("usage: relay-process.ts PORT DELAY_MS");
const relay = await startTcpRelay({ port, delayMs });
console.log(`listening on http://127.0.0.1:${relay.port}`);
