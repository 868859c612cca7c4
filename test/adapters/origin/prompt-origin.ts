/** Run as a worker: an origin over TLS that answers while the thread that asks is blocked. */
import https from "node:https";
import { parentPort, workerData } from "node:worker_threads";

/** In `counts`, how many requests it has answered, and how many connections it has taken. */
const { certificate, counts } = workerData as {
  readonly certificate: { readonly key: string; readonly cert: string };
  readonly counts: Int32Array;
};

const ANSWERED = 0;
const CONNECTIONS = 1;

const server = https.createServer(certificate, (request, response) => {
  request.resume().on("end", () => {
    response.end("ok", () => {
      Atomics.add(counts, ANSWERED, 1);
      Atomics.notify(counts, ANSWERED);
    });
  });
});
server.on("secureConnection", () => Atomics.add(counts, CONNECTIONS, 1));
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") parentPort?.postMessage(address.port);
});
