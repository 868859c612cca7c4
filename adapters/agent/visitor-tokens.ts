/** The agent's tokens for its visitors: what the commands ask the server, with the client token of the state file. */
import { z } from "zod";
import { parseJson } from "../../core/wire/json.ts";
import type { TokenConfig } from "../settings/credentials.ts";
import { StartupError } from "../startup-error.ts";
import { askServer } from "./ask-server.ts";
import { loadAgentFile } from "./state-file.ts";

export type VisitorToken = z.infer<typeof visitorToken>;

const visitorToken = z.object({
  name: z.string(),
  createdMs: z.number(),
  expiresMs: z.number().nullable(),
});
const created = z.object({ token: z.string().min(1) });
const listed = z.object({ tokens: z.array(visitorToken) });
const revoked = z.object({ revoked: z.boolean() });
const problem = z.object({ title: z.string(), detail: z.string().optional() });

/** All throw `StartupError`, which names no token. */
export async function createVisitorToken(config: AskConfig): Promise<string> {
  const lifetime = config.lifetimeSeconds === null ? {} : { lifetimeSeconds: String(config.lifetimeSeconds) };
  return (await ask(config, "POST", { name: config.name ?? "", ...lifetime }, created)).token;
}

export async function listVisitorTokens(config: AskConfig): Promise<readonly VisitorToken[]> {
  return (await ask(config, "GET", {}, listed)).tokens;
}

/** False where there is none of that name. */
export async function revokeVisitorToken(config: AskConfig): Promise<boolean> {
  return (await ask(config, "DELETE", { name: config.name ?? "" }, revoked)).revoked;
}

type AskConfig = TokenConfig & { readonly stateFile: string };

/** Whose agent asks, by which token, and at which server. */
type Asker = {
  readonly server: URL;
  readonly clientId: string;
  readonly clientToken: string;
  /** Where the token is from, for a person. */
  readonly source: string;
};

function askerOf({ server, clientId, clientToken, stateFile }: AskConfig): Asker {
  if (clientToken !== null) {
    if (server !== null && clientId !== null)
      return { server, clientId, clientToken, source: "the settings" };
    throw new StartupError("a client token needs --client-id and --server, for which it was made");
  }
  const file = loadAgentFile(stateFile);
  if (file === null || file.clientToken === null) {
    throw new StartupError(
      `${stateFile} has no client token: start the agent first, or name its file with --state`,
    );
  }
  if (clientId !== null && clientId !== file.clientId) {
    throw new StartupError(`${stateFile} is of client id ${file.clientId}: name another file with --state`);
  }
  const { clientId: own, clientToken: kept } = file;
  return { server: new URL(file.server), clientId: own, clientToken: kept, source: stateFile };
}

async function ask<Schema extends z.ZodType>(
  config: AskConfig,
  method: string,
  parameters: Readonly<Record<string, string>>,
  schema: Schema,
): Promise<z.infer<Schema>> {
  const { server, clientId, clientToken, source } = askerOf(config);
  const answer = await askServer(
    { server, serverCa: config.serverCa, proxy: config.proxyTo(server) },
    {
      method,
      target: `/auth/visitor-tokens?${new URLSearchParams({ clientId, ...parameters })}`,
      headers: { authorization: `Bearer ${clientToken}`, accept: "application/json" },
    },
  );
  const { status } = answer;
  const body = parseJson(answer.body);
  if (status === 401) {
    throw new StartupError(
      `the server refused the client token in ${source}: start the agent, which registers anew if it may`,
    );
  }
  const parsed = schema.safeParse(body);
  if (status === 200 && parsed.success) return parsed.data;
  const { title = "", detail = "" } = problem.safeParse(body).data ?? {};
  const told = [title, detail]
    .join(" ")
    .replace(/[^\x20-\x7e]/g, "")
    .trim()
    .slice(0, 200);
  throw new StartupError(`the server answered ${status}${told === "" ? "" : `: ${told}`}`);
}
