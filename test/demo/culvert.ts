/**
 * A Culvert server and its agent as a person would start them: separate processes, through the command line.
 *
 * The access token travels in the environment, because a command line is readable by every user of a machine.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { type Child, type ChildOptions, startChild } from "./child.ts";

/** What `npm start` and `npm run agent` run, once it is built. */
const COMMAND = "dist/program.cjs";

export type Server = {
  readonly child: Child;
  /** Such as `http://127.0.0.1:41234`. */
  readonly url: string;
  /** What registers a client; made for this run. */
  readonly accessToken: string;
};

export type ServerOptions = Pick<ChildOptions, "nodeFlags" | "channel"> & {
  /** As in `--database`; in memory by default, empty at the start and gone at the end. */
  readonly database?: string;
  /** The address to listen on; 127.0.0.1 by default. */
  readonly bind?: string;
  /** Where visitors and agents come; any free port by default. */
  readonly port?: number;
  /** Where the operator's listener is; any free port by default. */
  readonly adminPort?: number;
  /** Further flags of its command line. */
  readonly args?: readonly string[];
};

/** A server on free ports, but for those that are named. */
export async function startServer({
  database,
  bind = "127.0.0.1",
  port = 0,
  adminPort = 0,
  args = [],
  ...childOptions
}: ServerOptions = {}): Promise<Server> {
  const accessToken = randomUUID();
  const child = await startChild({
    name: "server",
    file: COMMAND,
    args: [
      ...["serve", "--port", String(port), "--bind", bind, "--admin-port", String(adminPort)],
      ...["--database", database ?? "sqlite::memory:", ...args],
    ],
    ...childOptions,
    environment: { TUNNEL_ACCESS_TOKEN: accessToken },
    readyPrefix: "listening on ",
  });
  return { child, url: child.readyText, accessToken };
}

/** As in the agent's `--protocol`. */
export type StartedProtocol = "native" | "moosicbox";

export type AgentOptions = Pick<ChildOptions, "nodeFlags" | "namespace"> & {
  readonly server: Server;
  /** How the agent reaches the server, where that is not the server's own address. */
  readonly serverUrl?: string;
  /** The agent's own choice by default. */
  readonly protocol?: StartedProtocol;
  /** The origin, such as `http://127.0.0.1:3000`. */
  readonly to: string;
  readonly clientId: string;
  /** Where the agent keeps its client token; its folder must exist. */
  readonly stateFile: string;
};

/** An agent that has registered itself and holds its tunnel. Rejects at once where the server ends instead. */
export function startAgent(options: AgentOptions): Promise<Child> {
  const serverEnded = options.server.child.ended.then((how) =>
    Promise.reject(new Error(`the server is gone: ${how}`)),
  );
  const agent = startChild({
    name: "agent",
    file: COMMAND,
    args: [
      ...["agent", "--server", options.serverUrl ?? options.server.url, "--to", options.to],
      ...["--client-id", options.clientId, "--state", options.stateFile],
      ...(options.protocol === undefined ? [] : ["--protocol", options.protocol]),
    ],
    nodeFlags: options.nodeFlags ?? [],
    ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
    environment: { TUNNEL_ACCESS_TOKEN: options.server.accessToken },
    readyPrefix: "connected as",
  });
  return Promise.race([agent, serverEnded]);
}

/** The client token that an agent keeps in its state file. */
export function clientTokenIn(stateFile: string): string {
  const { clientToken }: { readonly clientToken: unknown } = JSON.parse(readFileSync(stateFile, "utf8"));
  if (typeof clientToken !== "string") throw new Error(`${stateFile} has no client token yet`);
  return clientToken;
}

/** A new access token of a client; those that it has already stay valid. */
export function registerClient(
  server: Pick<Server, "url" | "accessToken">,
  clientId: string,
): Promise<string> {
  return askForToken(`${server.url}/auth/register-client?${query({ clientId })}`, server.accessToken);
}

/** A token for URLs that cannot carry a header, such as the source of a media element. */
export function signatureToken(serverUrl: string, clientId: string, clientToken: string): Promise<string> {
  return askForToken(`${serverUrl}/auth/signature-token?${query({ clientId })}`, clientToken);
}

export function query(parameters: Readonly<Record<string, string>>): string {
  return new URLSearchParams(parameters).toString();
}

/** Each request on a connection of its own: what stays open afterwards would count in measurements of idle memory. */
function askForToken(url: string, authorization: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const path = new URL(url).pathname;
    const call = request(url, {
      method: "POST",
      agent: false,
      headers: { authorization: `Bearer ${authorization}`, "content-length": 0 },
      signal: AbortSignal.timeout(TOKEN_MS),
    });
    call.once("error", (error) => reject(new Error(`${path}: ${error.message}`)));
    call.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.once("error", reject);
      response.once("end", () => {
        const token = response.statusCode === 200 ? tokenOf(text) : null;
        if (token === null) reject(new Error(`${path}: no token, status ${response.statusCode}`));
        else resolve(token);
      });
    });
    call.end();
  });
}

const TOKEN_MS = 60_000;

function tokenOf(text: string): string | null {
  try {
    const answer: unknown = JSON.parse(text);
    const isObject = typeof answer === "object" && answer !== null && "token" in answer;
    return isObject && typeof answer.token === "string" ? answer.token : null;
  } catch {
    return null;
  }
}
