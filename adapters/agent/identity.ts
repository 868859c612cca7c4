/** Who the agent is, and where that is remembered. */
import { assert } from "../../core/assert.ts";
import type { Logger } from "../operator/log.ts";
import { StartupError } from "../startup-error.ts";
import { type AgentFile, createClientId, loadAgentFile, saveAgentFile } from "./state-file.ts";

export type IdentitySettings = {
  readonly server: URL;
  readonly clientId: string | null;
  /** Given: nothing is read or kept. */
  readonly clientToken: string | null;
  /** Null where a client token is given. */
  readonly stateFile: string | null;
};

export type Identity = {
  readonly clientId: string;
  /** Null until the first registration. */
  readonly clientToken: string | null;
  /** Remembers a new token. Throws `StartupError`: then it is good for this run alone. */
  readonly keep: (clientToken: string) => void;
};

/**
 * As the settings say, else as the last time, else somebody new, who is remembered before anything is asked of the server. A
 * token is of use only to the client id and at the server that it was made for. Throws `StartupError`.
 */
export function identityOf(settings: IdentitySettings, logger: Logger): Identity {
  const { clientToken, clientId, stateFile } = settings;
  if (clientToken === null) {
    assert(stateFile !== null, "an agent without a client token has no state file");
    return fromFile({ ...settings, stateFile }, logger);
  }
  if (clientId === null)
    throw new StartupError("a client token needs --client-id, the name that it was made for");
  return {
    clientId,
    clientToken,
    keep: () => {
      throw new StartupError("the server gave a new client token, which is kept nowhere");
    },
  };
}

function fromFile(settings: IdentitySettings & { readonly stateFile: string }, logger: Logger): Identity {
  const { stateFile } = settings;
  const server = settings.server.href;
  const file = loadAgentFile(stateFile);
  const clientId = settings.clientId ?? file?.clientId ?? createClientId();
  const isOwn = file !== null && file.clientId === clientId && file.server === server;
  const clientToken = isOwn ? file.clientToken : null;
  if (file === null) saveAgentFile(stateFile, { clientId, clientToken, server });
  let other = isOwn ? null : file;
  const keep = (token: string) => {
    if (other !== null) setAside(stateFile, other, logger);
    other = null;
    saveAgentFile(stateFile, { clientId, clientToken: token, server });
  };
  return { clientId, clientToken, keep };
}

/** Another agent's token, or the one for another server, must not be lost. */
function setAside(stateFile: string, content: AgentFile, logger: Logger): void {
  const aside = `${stateFile}.previous`;
  saveAgentFile(aside, content);
  logger.warn(
    `${stateFile} was of client id ${content.clientId} at ${content.server}: that is in ${aside} now. Give each agent a --state of its own`,
  );
}
