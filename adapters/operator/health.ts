/** `culvert health`: asks the server on this machine whether it is well, for whoever supervises it by a command. */
import { get } from "node:http";
import type { HealthConfig } from "../settings/health.ts";
import { StartupError } from "../startup-error.ts";

/** A server that takes longer for a line of text is not well. Docker and its like wait for some seconds by default. */
const ANSWER_MS = 3_000;

/** Rejects with `StartupError` where it is not well, or cannot be asked. */
export async function askHealth({ adminBind, adminPort }: HealthConfig): Promise<void> {
  const host = reachable(adminBind);
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const request = get({ host, port: adminPort, path: "/health", agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.setTimeout(ANSWER_MS, () => request.destroy());
    request.once("error", () =>
      reject(
        new StartupError(
          `no server answers on port ${adminPort} of ${host}: see --admin-port and --admin-bind`,
        ),
      ),
    );
  });
  if (status !== 200) throw new StartupError(`the server answers with ${status}`);
}

/** Where one that listens on all addresses can be reached. */
function reachable(address: string): string {
  if (address === "0.0.0.0") return "127.0.0.1";
  return address === "::" ? "::1" : address;
}
