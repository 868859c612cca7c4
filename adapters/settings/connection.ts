/** The agent's settings about its way to the server. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { z } from "zod";
import { isInBlock, parseIp, parseIpBlock } from "../../core/http/ip.ts";
import { codeOf } from "../error-cause.ts";
import { StartupError } from "../startup-error.ts";
import type { Environment } from "./reading/reader.ts";
import { placedPath, type Setting } from "./reading/setting.ts";
import { ON_OFF, onOff, refuse } from "./schemas.ts";

export type ConnectionConfig = {
  /** The agent's own connections go through it; `http:` or `https:`, perhaps with a login. Null for none. */
  readonly proxy: URL | null;
  /** Certificates that are trusted beside those that this machine trusts, in PEM; null for none. */
  readonly serverCa: string | null;
  readonly exitOnError: boolean;
};

const FORMS = "must be the URL of an HTTP proxy, such as http://proxy.example.org:3128, or none";

/** Undefined where nothing is said, null for no proxy at all. */
const proxy = z
  .string()
  .transform((text, context): URL | null => {
    if (text === "none") return null;
    return proxyUrl(text) ?? refuse(context, FORMS);
  })
  .optional();

/** A password stands before the `@`. */
function isSecretProxy(text: string): boolean {
  return text.includes("@");
}

/** As curl does, a proxy without a scheme is taken for an `http:` one. Null for what is none. */
function proxyUrl(text: string): URL | null {
  const url = URL.parse(text.includes("://") ? text : `http://${text}`);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return null;
  if (!canDecode(url.username) || !canDecode(url.password)) return null;
  return url.hostname === "" || url.pathname !== "/" || url.search !== "" || url.hash !== "" ? null : url;
}

function canDecode(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The proxy on the way to that server: what the setting says, else the environment, in the names that curl made common; where
 * both spellings are set, the lower-case one counts, as there. Throws `StartupError`, which quotes no value.
 */
export function proxyFor(
  settings: { readonly server: URL; readonly proxy?: URL | null | undefined },
  environment: Environment,
): URL | null {
  const { server } = settings;
  if (settings.proxy !== undefined) return settings.proxy;
  const name = server.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const [given] = [name.toLowerCase(), name].filter((each) => (environment[each] ?? "").trim() !== "");
  if (given === undefined) return null;
  if (isExcepted(server, environment.no_proxy ?? environment.NO_PROXY ?? "")) return null;
  const url = proxyUrl((environment[given] ?? "").trim());
  if (url === null)
    throw new StartupError(`${given} ${FORMS.replace(", or none", "")}; --proxy none goes without it`);
  return url;
}

/**
 * Whether `NO_PROXY` names the server: `*`, a name with all below it, with or without a dot or `*.` in front, an address, or a
 * block of them (`10.0.0.0/8`). A port behind it limits it to that one.
 */
function isExcepted(server: URL, exceptions: string): boolean {
  const host = server.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = server.port || (server.protocol === "https:" ? "443" : "80");
  return exceptions
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (covers(entry, host)) return true;
      const [, name = "", entryPort] = /^(.*):(\d+)$/.exec(entry) ?? [];
      return entryPort === port && covers(name, host);
    });
}

function covers(entry: string, host: string): boolean {
  if (entry === "*") return true;
  const address = parseIp(host);
  if (address !== null) {
    const block = parseIpBlock(entry.replace(/^\[|\]$/g, ""));
    return block !== null && isInBlock(address, block);
  }
  const name = entry.replace(/^\*?\./, "");
  return name !== "" && (host === name || host.endsWith(`.${name}`));
}

/** The path of a file of certificates, as its text. */
const serverCa = z
  .string()
  .transform((path, context): string => {
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch (error) {
      return refuse(context, `names a file that cannot be read: ${codeOf(error)}`);
    }
    const certificates = text.match(PEM) ?? [];
    if (certificates.length === 0) {
      return refuse(context, "names a file without a certificate in PEM (-----BEGIN CERTIFICATE-----)");
    }
    return certificates.every(isCertificate)
      ? certificates.join("\n")
      : refuse(context, "names a file with a certificate that cannot be read");
  })
  .nullable()
  .default(null);

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

export const connectionShape = { proxy, serverCa, exitOnError: onOff.default(false) };

export const connectionSettings: { readonly [Name in keyof typeof connectionShape]: Setting } = {
  proxy: {
    flag: "proxy",
    variable: "CULVERT_PROXY",
    placeholder: "URL",
    help: "the HTTP proxy on the way to the server, or none (default: HTTPS_PROXY or HTTP_PROXY, but for hosts in NO_PROXY)",
    isSecret: isSecretProxy,
  },
  serverCa: {
    flag: "server-ca",
    variable: "CULVERT_SERVER_CA",
    placeholder: "FILE",
    placed: placedPath,
    help: "certificates in PEM that the server's may come from, such as a self-signed one",
  },
  exitOnError: {
    flag: "exit-on-error",
    variable: "CULVERT_EXIT_ON_ERROR",
    placeholder: "on|off",
    choices: ON_OFF,
    help: "exits with 78 where trying again cannot help before the first connection (default off)",
  },
};
