/**
 * Whose request it is, by its host and its path. A home's own name belongs to the home with every path. On all other names
 * the server's own paths come first, and no path of a home is among them: homes are below `/t/` there, or named by a
 * `clientId` in the query, which `route.ts` reads.
 */
import type { HeaderList } from "../../http/headers.ts";
import { homeOfHost, hostOfHome, requestHost } from "../../http/host.ts";
import { originForm } from "../../http/target.ts";
import type { Ways } from "../../wire/ways.ts";
import type { ServerConfig } from "../config.ts";

export type Place =
  | {
      readonly type: "home";
      readonly way: "host" | "path";
      readonly clientId: string;
      /** What named the home in the path: empty, or begins with a slash and ends without one. */
      readonly prefix: string;
      /** In origin form and byte by byte as received, without what named the home; or `*`. */
      readonly target: string;
      /** Where a page of it has to be, or its relative references lead out of the home; null where it is. */
      readonly elsewhere: string | null;
    }
  | { readonly type: "server"; readonly target: string }
  | { readonly type: "nowhere"; readonly detail: string };

export function placeOf(
  request: { readonly method: string; readonly target: string; readonly headers: HeaderList },
  config: Pick<ServerConfig, "domain" | "hostnames" | "pathRouting">,
): Place {
  const { method, headers } = request;
  const target = method === "OPTIONS" && WHOLE_SERVER.test(request.target) ? "*" : originForm(request.target);
  if (target === null) return { type: "nowhere", detail: "The request target cannot be read." };
  const host = requestHost(request.target, headers);
  if (host === null) return { type: "nowhere", detail: "The request does not name one host." };
  const named = host === undefined ? null : homeNamed(host.name, config);
  if (named !== null)
    return { type: "home", way: "host", clientId: named, prefix: "", target, elsewhere: null };
  const [, raw, rest = ""] = (config.pathRouting ? HOME_PATH.exec(target) : null) ?? [];
  if (raw === undefined) return { type: "server", target };
  const clientId = decoded(raw);
  if (clientId === null || !isClientId(clientId)) return { type: "nowhere", detail: CLIENT_ID_REQUIRED };
  const prefix = `/t/${raw}`;
  const local = rest.startsWith("/") ? rest : `/${rest}`;
  const elsewhere = local === rest ? null : prefix + local;
  return { type: "home", way: "path", clientId, prefix, target: local, elsewhere };
}

/** The client id of the home whose name this is, in lower case and without a port; null for a name that is no home's. */
export function homeNamed(
  host: string,
  { domain, hostnames }: Pick<ServerConfig, "domain" | "hostnames">,
): string | null {
  if (Object.hasOwn(hostnames, host)) return hostnames[host] ?? null;
  return domain === null ? null : homeOfHost(host, domain);
}

/**
 * Where visitors find a home with a browser: by a name of its own rather than by one of the server's, and of several by the one that
 * it asks for.
 */
export function waysOf(
  clientId: string,
  { domain, hostnames, pathRouting }: Pick<ServerConfig, "domain" | "hostnames" | "pathRouting">,
  asked: string | null,
): Ways {
  const names = Object.keys(hostnames).filter((name) => hostnames[name] === clientId);
  const own = names.find((name) => name === asked) ?? names[0];
  return {
    host: own ?? (domain === null ? null : hostOfHome(clientId, domain)),
    // Browsers take such segments away, however they are written.
    path:
      pathRouting && isClientId(clientId) && !DOTS.test(clientId)
        ? `/t/${encodeURIComponent(clientId)}/`
        : null,
  };
}

/** Any text is plain data as a client id, as long as the registry can keep it and a log line can show it. */
export function isClientId(text: string): boolean {
  return isStorableName(text);
}

/** Whether it is a name that the registry can keep: of a home, or of one of its tokens. */
export function isStorableName(text: string): boolean {
  if (text === "" || codePoints(text) > CLIENT_ID_LENGTH_MAX) return false;
  return !CONTROL_CHARACTER.test(text) && text.isWellFormed();
}

const DOTS = /^\.\.?$/;

/** What the registry's column counts as characters (protocol-moosicbox.md, MySQL tables). */
export const CLIENT_ID_LENGTH_MAX = 64;

export const CLIENT_ID_REQUIRED = "A clientId of 1 to 64 characters is required.";

const CONTROL_CHARACTER = /\p{Cc}/u;

/** The asterisk form, and the absolute form that stands for it (RFC 9112 sections 3.2.4). */
const WHOLE_SERVER = /^(?:\*|https?:\/\/[^/?#]+)$/i;

/** `/t/`, the client id, and what is left for the home. */
const HOME_PATH = /^\/t\/([^/?]*)(.*)$/s;

function decoded(raw: string): string | null {
  try {
    return decodeURIComponent(raw);
  } catch {
    return null;
  }
}

function codePoints(text: string): number {
  // A long text is not worth spreading out to be counted: it has at least half as many code points as units.
  return text.length > 2 * CLIENT_ID_LENGTH_MAX ? text.length : [...text].length;
}
