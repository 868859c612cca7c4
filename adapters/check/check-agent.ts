/** What would become of `culvert agent` with these settings, of each home. Nothing is registered and no visitor's request is made. */
import { askServer } from "../agent/ask-server.ts";
import { loadAgentFile } from "../agent/state-file.ts";
import { causeOf } from "../error-cause.ts";
import { createConnector } from "../origin/connector.ts";
import type { RunAgentConfig } from "../settings/settings.ts";
import { endpointOf } from "../socket/endpoint.ts";
import { StartupError } from "../startup-error.ts";
import { type Finding, note, ok, problem } from "./findings.ts";

/** What does not answer in this time is not there. */
const ANSWER_MS = 10_000;

export async function checkAgents(homes: readonly RunAgentConfig[]): Promise<readonly Finding[]> {
  const found = await Promise.all(
    homes.map(async (config) => {
      const name = config.clientId ?? "this home";
      const findings = await checkHome(config);
      return homes.length === 1
        ? findings
        : findings.map((each) => ({ ...each, text: `${name}: ${each.text}` }));
    }),
  );
  return found.flat();
}

async function checkHome(config: RunAgentConfig): Promise<readonly Finding[]> {
  return Promise.all([
    checkServer(config),
    identity(config),
    visitors(config),
    ...config.origins.map((origin) => service(config, origin)),
  ]);
}

/** Any answer says that somebody is there; that of Culvert's `/health` says who. */
async function checkServer({ server, proxy, serverCa }: RunAgentConfig): Promise<Finding> {
  const { host } = server;
  try {
    const question = { method: "GET", target: "/health", headers: {} };
    const { status } = await askServer({ server, proxy, serverCa }, question);
    if (status === 200)
      return ok(`the server at ${host} answers${proxy === null ? "" : ", through the proxy"}`);
    return problem(`${host} answers ${status} to /health: check host, port and path of --server`);
  } catch (error) {
    if (error instanceof StartupError) return problem(error.message);
    throw error;
  }
}

function identity({
  clientId,
  clientToken,
  stateFile,
  accessToken,
  invite,
  server,
}: RunAgentConfig): Finding {
  if (clientToken !== null) {
    if (clientId === null) return problem("a client token needs --client-id, the name that it was made for");
    return ok("connects with the client token that is given");
  }
  try {
    const file = stateFile === null ? null : loadAgentFile(stateFile);
    const isOwn =
      file !== null && file.server === server.href && (clientId ?? file.clientId) === file.clientId;
    if (isOwn && file.clientToken !== null) return ok(`connects with the client token in ${stateFile}`);
  } catch (error) {
    if (error instanceof StartupError) return problem(error.message);
    throw error;
  }
  if (invite !== null) return ok("registers with the invite, once");
  if (accessToken !== null) return ok("registers with the access token, once");
  return problem(
    "is not registered: give --access-token-file with the server's access token, or --invite-file",
  );
}

function visitors({ access }: RunAgentConfig): Finding {
  if (access === "public") return note("everybody may visit: the service itself has to ask who it is");
  return ok(
    access === "token" ? "visitors show a token" : "visitors show the user name and password of --access",
  );
}

async function service(
  config: RunAgentConfig,
  { prefix, url }: RunAgentConfig["origins"][number],
): Promise<Finding> {
  const { tlsSkipVerify, originName: serverName } = config;
  const named = `the service for ${prefix}, ${url.protocol === "unix:" ? decodeURI(url.href) : url.host},`;
  const socket = createConnector(endpointOf(url), { tlsSkipVerify, serverName })();
  try {
    await new Promise<void>((done, fail) => {
      socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => done());
      socket.once("error", fail);
      socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error("it does not answer in time")));
    });
    return ok(`${named} takes connections`);
  } catch (error) {
    return problem(`${named} cannot be reached: ${causeOf(error)}`);
  } finally {
    socket.destroy();
  }
}
