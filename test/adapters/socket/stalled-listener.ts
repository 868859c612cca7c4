/** A process that listens, at the socket that it was given as descriptor 3 or its own, says where, and accepts nothing. */
import { createServer } from "node:net";
import { listenAt } from "../../../adapters/socket/listening.ts";

const fd = process.argv.includes("inherited") ? 3 : null;
const { port } = await listenAt(createServer(), { bind: "127.0.0.1", port: 0, fd });
process.send?.(port, () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
