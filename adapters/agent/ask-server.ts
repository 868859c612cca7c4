/** One question to the server's HTTP interface, on a connection as the agent itself makes it. */
import http from "node:http";
import https from "node:https";
import { failureText, troubleOf } from "../../core/agent/life/trouble.ts";
import type { ConnectFault } from "../../core/events.ts";
import { endpointOf } from "../socket/endpoint.ts";
import { StartupError } from "../startup-error.ts";
import { readAnswer } from "./api-client.ts";
import { Dialler, type DiallerOptions } from "./dialler.ts";

export type Question = {
  readonly method: string;
  /** Behind the path of the server's URL; begins with a slash. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
};

export type Answer = { readonly status: number; readonly body: string };

/** A server that does not answer in this time is not there. */
const ANSWER_MS = 15_000;

/**
 * Its status, and its body or the first 64 KiB of that. A redirect is an answer like any other. Rejects with `StartupError`, which
 * says what is in the way and what to do, and has no header and no target.
 */
export async function askServer(
  options: DiallerOptions,
  { method, target, headers }: Question,
): Promise<Answer> {
  const dialler = new Dialler(options);
  const { host, port, secure, basePath, authority } = endpointOf(options.server);
  const opening = dialler.open();
  const timeUp = AbortSignal.timeout(ANSWER_MS);
  const result = await new Promise<Answer | ConnectFault>((resolve) => {
    const request = (secure ? https.request : http.request)({
      createConnection: opening.connect,
      host,
      port,
      path: basePath + target,
      method,
      headers,
      signal: timeUp,
    });
    request.on("response", (response) => {
      readAnswer(response, (body) => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on("error", (error) => {
      resolve(timeUp.aborted ? { kind: "silent", detail: authority } : dialler.faultOf(error));
    });
    request.on("close", () => resolve({ kind: "cut", detail: authority }));
    request.end();
  });
  opening.cancel();
  if ("kind" in result) throw new StartupError(failureText(troubleOf(result)));
  return result;
}
