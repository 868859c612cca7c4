/** The agent's settings about the home: its services, what they are told, and who may visit. */
import { isIP } from "node:net";
import { z } from "zod";
import type { AgentConfig } from "../../core/agent/config.ts";
import { endToEnd, type HeaderList, validHeader } from "../../core/http/headers.ts";
import { parseAccess } from "../../core/server/routing/access.ts";
import { baseUrl, refuse } from "./schemas.ts";

/** One home service, and which requests are its. */
export type OriginSetting = {
  /** Begins with a slash and ends without one, but for `/` itself, which takes what nothing else does. */
  readonly prefix: string;
  /** `http:` or `https:`, perhaps with a path that goes before every target; or `unix:`, with the path of a socket. */
  readonly url: URL;
};

const EXAMPLE = "http://127.0.0.1:3000";
const FORMS = `must be a URL, a port, HOST:PORT or unix:/PATH, such as ${EXAMPLE}`;
const originUrl = baseUrl({ "http:": "http:", "https:": "https:" }, EXAMPLE, FORMS);

/** `3000`; `localhost:3000`, which would be a URL with a scheme of that name; `[::1]:3000`. */
const PORT = /^\d{1,5}$/;
const HOST_AND_PORT = /^(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\]):\d{1,5}(?:\/.*)?$/i;

/** A service may listen on either address of `localhost`, as development servers do. */
function spelledOut(text: string): string {
  if (PORT.test(text)) return `http://localhost:${text}`;
  return HOST_AND_PORT.test(text) ? `http://${text}` : text;
}

const serviceUrl = z.string().transform((text, context): URL => {
  if (/^https?:\/\/unix:/i.test(text))
    return refuse(context, "must name a socket as unix:/run/app.sock, without http://");
  if (/^unix:/i.test(text))
    return (
      socketUrl(text) ?? refuse(context, "must name a socket by its whole path, such as unix:/run/app.sock")
    );
  const url = originUrl.safeParse(spelledOut(text));
  return url.success ? url.data : refuse(context, url.error.issues[0]?.message ?? FORMS);
});

/** The path as it is, whatever a URL would make of it. */
function socketUrl(text: string): URL | null {
  const path = text.slice("unix:".length);
  return path.startsWith("/") && !path.startsWith("//")
    ? new URL(`unix:${encodeURI(path).replace(/[?#]/g, encodeURIComponent)}`)
    : null;
}

/** Texts `URL` or `/PREFIX=URL`. */
export const origins = z.array(z.string()).transform((texts, context): readonly OriginSetting[] => {
  if (texts.length === 0) return refuse(context, `is required, such as ${EXAMPLE}`);
  const list: OriginSetting[] = [];
  for (const [index, text] of texts.entries()) {
    const [, path = "/", address = text] = /^(\/[^=]*)=(.*)$/s.exec(text) ?? [];
    // A prefix is compared with targets as they come, and those have neither blanks nor, in their path, `?` and `#`.
    if (!/^[\x21-\x7e]+$/.test(path) || /[?#]/.test(path)) {
      return refuse(context, "must have a path as its prefix, such as /music=http://127.0.0.1:3000", index);
    }
    const url = serviceUrl.safeParse(address);
    if (!url.success) return refuse(context, url.error.issues[0]?.message ?? "cannot be used", index);
    const prefix = path.replace(/(?<=.)\/+$/, "");
    if (list.some((other) => other.prefix === prefix)) {
      return refuse(context, "names two services for the same paths: give each its own /PREFIX=URL", index);
    }
    list.push({ prefix, url: url.data });
  }
  return list;
});

/** Gives it as the header `Culvert-Access` says it. */
export const access = z
  .string()
  .transform((text, context) => {
    const said = text.replace(/^basic:/, "basic ");
    if (!text.startsWith("basic ") && parseAccess(said) !== null) return said;
    return refuse(
      context,
      "must be token, public or basic:USER:HASH, where HASH is what `culvert hash-password` prints",
    );
  })
  .default("token");

/** A hash lets its holder try passwords, as many as he likes. */
export function isSecretAccess(text: string): boolean {
  return text.startsWith("basic");
}

export const hostHeader = z
  .string()
  .refine(
    (text) => /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i.test(text),
    "must be origin, visitor or a host, such as music.local:3000",
  )
  .transform((text): AgentConfig["hostHeader"] =>
    text === "origin" || text === "visitor" ? { type: text } : { type: "fixed", value: text },
  )
  .default({ type: "origin" });

/** An address is no name to ask for (RFC 6066 section 3). */
export const originName = z
  .string()
  .refine(
    (text) => /^[a-z0-9._-]+$/i.test(text) && isIP(text) === 0,
    "must be a DNS name, such as music.example.org",
  )
  .nullable()
  .default(null);

/** Texts `Name: value`. */
export const headers = z.array(z.string()).transform((texts, context): HeaderList => {
  const list: string[] = [];
  for (const [index, text] of texts.entries()) {
    const [, name = "", value = ""] = /^([^:]*):[\t ]*(.*?)[\t ]*$/s.exec(text) ?? [];
    if (!validHeader(name, value)) return refuse(context, "must be a header: 'Name: value'", index);
    if (name.toLowerCase() === "host") return refuse(context, "must not be Host: use --host-header", index);
    if (isOfConnection(name)) {
      return refuse(context, "must not be a header of the connection or of a body's length", index);
    }
    list.push(name, value);
  }
  return list;
});

function isOfConnection(name: string): boolean {
  return name.toLowerCase() === "content-length" || endToEnd([name, ""]).length === 0;
}

/** What a header opens only its service knows, but for those that open nothing. */
export function isSecretHeader(text: string): boolean {
  return !PLAIN_HEADER.test(text);
}

const PLAIN_HEADER =
  /^(?:accept(?:-language)?|cache-control|from|origin|pragma|referer|user-agent|via|x-forwarded-[a-z]+)[ \t]*:/i;
