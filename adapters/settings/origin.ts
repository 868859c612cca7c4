/** The agent's settings about the home: its services, what they are told, and who may visit. */
import { z } from "zod";
import type { AgentConfig } from "../../core/agent/config.ts";
import { endToEnd, type HeaderList, validHeader } from "../../core/http/headers.ts";
import { parseAccess } from "../../core/server/routing/access.ts";
import { baseUrl, refuse } from "./schemas.ts";

/** One home service, and which requests are its. */
export type OriginSetting = {
  /** Begins with a slash and ends without one, but for `/` itself, which takes what nothing else does. */
  readonly prefix: string;
  /** `http:` or `https:`, perhaps with a path that goes before every target. */
  readonly url: URL;
};

const EXAMPLE = "http://127.0.0.1:3000";
const originUrl = baseUrl({ "http:": "http:", "https:": "https:" }, EXAMPLE);

/** Texts `URL` or `/PREFIX=URL`. */
export const origins = z.array(z.string()).transform((texts, context): readonly OriginSetting[] => {
  if (texts.length === 0) return refuse(context, `is required, such as ${EXAMPLE}`);
  const list: OriginSetting[] = [];
  for (const text of texts) {
    const [, path = "/", address = text] = /^(\/[^=]*)=(.*)$/s.exec(text) ?? [];
    // A prefix is compared with targets as they come, and those have neither blanks nor, in their path, `?` and `#`.
    if (!/^[\x21-\x7e]+$/.test(path) || /[?#]/.test(path)) {
      return refuse(context, "must have a path as its prefix, such as /music=http://127.0.0.1:3000");
    }
    const url = originUrl.safeParse(address);
    if (!url.success) return refuse(context, url.error.issues[0]?.message ?? "cannot be used");
    const prefix = path.replace(/(?<=.)\/+$/, "");
    if (list.some((other) => other.prefix === prefix)) {
      return refuse(context, "names two services for the same paths: give each its own /PREFIX=URL");
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
      "must be token, public or basic:USER:HASH, where HASH is the lower-case hex SHA-256 of USER:PASSWORD",
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

/** Texts `Name: value`. */
export const headers = z.array(z.string()).transform((texts, context): HeaderList => {
  const list: string[] = [];
  for (const text of texts) {
    const [, name = "", value = ""] = /^([^:]*):[\t ]*(.*?)[\t ]*$/s.exec(text) ?? [];
    if (!validHeader(name, value)) return refuse(context, "must be a header: 'Name: value'");
    if (name.toLowerCase() === "host") return refuse(context, "must not be Host: use --host-header");
    if (isOfConnection(name)) {
      return refuse(context, "must not be a header of the connection or of a body's length");
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
