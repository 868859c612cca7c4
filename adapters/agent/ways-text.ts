/** Where a home is found, as the agent prints it: what a browser opens first, and nothing as such that no browser can open. */
import { renderUnicodeCompact } from "uqr";
import type { Ways } from "../../core/wire/ways.ts";
import { endpointOf } from "../socket/endpoint.ts";

export type WaysTextOptions = {
  readonly server: URL;
  readonly clientId: string;
  /** As `Culvert-Access` says it. */
  readonly access: string;
  /** Null where the server does not tell. */
  readonly ways: Ways | null;
  /** What makes a token for a visitor, from `tokenCommand`. */
  readonly tokenCommand: string;
  /** Whether a person reads it who may have a telephone in the hand. */
  readonly isTerminal: boolean;
};

export function waysText(options: WaysTextOptions): string {
  const { clientId, access, ways, tokenCommand, isTerminal } = options;
  const links = linksOf(options);
  const [link] = links;
  const lines = [`connected as ${clientId}`];
  if (link !== undefined) {
    lines.push(...links.map((each, index) => `${index === 0 ? "open" : "or"} ${each}`));
    if (access === "token") {
      lines.push(
        `and sign in with a token; this makes one: ${tokenCommand}`,
        'a program sends it as "Authorization: Bearer TOKEN"; --access public lets everybody in',
      );
    } else if (access !== "public") lines.push("with the user name and password of --access");
    if (isTerminal) lines.push(renderUnicodeCompact(link));
    return lines.join("\n");
  }
  lines.push(
    `visitors reach it at ${queryLink(options)}`,
    `with "Authorization: Bearer TOKEN", where TOKEN is one of: ${tokenCommand}`,
  );
  if (ways !== null) {
    lines.push("for a link that a browser opens, start the server with --domain, or with --path-routing on");
  }
  return lines.join("\n");
}

/** By host first: there the home is a web origin of its own, and all its paths are the service's. */
function linksOf({ server, ways }: WaysTextOptions): string[] {
  const links: string[] = [];
  if (ways?.host != null) {
    const port = server.port === "" ? "" : `:${server.port}`;
    links.push(`${server.protocol}//${ways.host}${port}/`);
  }
  if (ways?.path != null) links.push(`${server.origin}${endpointOf(server).basePath}${ways.path}`);
  return links;
}

function queryLink({ server, clientId }: WaysTextOptions): string {
  return `${server.href.replace(/\/$/, "")}/?clientId=${encodeURIComponent(clientId)}`;
}

export type TokenPlace = {
  /** The configuration file, the client id and the state file that the agent was told of; null where it was not. */
  readonly config: string | null;
  readonly clientId: string | null;
  readonly stateFile: string | null;
};

/** The line to be typed for a visitor's token, which finds what the agent has. */
export function tokenCommand({ config, clientId, stateFile }: TokenPlace): string {
  // The file says where the state is.
  const places = { config, "client-id": clientId, state: config === null ? stateFile : null };
  const flags = Object.entries(places).map(([flag, value]) =>
    value === null ? "" : ` --${flag} ${shellWord(value)}`,
  );
  return `culvert token create --name NAME${flags.join("")}`;
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
