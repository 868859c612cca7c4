/** What a server says of itself to whoever asks for no home: what it is, and how homes are named. Which ones there are, it tells nobody. */
import type { HeaderList } from "../../http/headers.ts";
import { escapeHtml, htmlPage, PAGE_POLICY } from "../../http/problem.ts";
import { encodeUtf8 } from "../../wire/utf8.ts";
import type { ServerConfig } from "../config.ts";

type Ways = Pick<ServerConfig, "domain" | "pathRouting">;

export function frontPage(
  ways: Ways,
  html: boolean,
): { readonly status: number; readonly headers: HeaderList; readonly body: Uint8Array } {
  const body = encodeUtf8(html ? asHtml(ways) : asText(ways));
  const type = html ? "text/html; charset=utf-8" : "text/plain; charset=utf-8";
  const headers = [
    ...["content-type", type, "content-length", String(body.length), "vary", "accept"],
    ...["cache-control", "no-store", "x-content-type-options", "nosniff"],
    ...(html ? ["content-security-policy", PAGE_POLICY] : []),
  ];
  return { status: 200, headers, body };
}

const TITLE = "This is a Culvert server.";
const WHAT = "It leads to homes: services on private networks. No home has been asked for.";
const HOW = "The owner of a home has its address, which is of this form:";

function waysOf({ domain, pathRouting }: Ways): readonly string[] {
  return [
    ...(domain === null ? [] : [`CLIENT-ID.${domain}`]),
    ...(pathRouting ? ["/t/CLIENT-ID/"] : []),
    "/?clientId=CLIENT-ID",
  ];
}

function asText(ways: Ways): string {
  return `${[TITLE, WHAT, HOW, ...waysOf(ways).map((way) => `  ${way}`)].join("\n")}\n`;
}

function asHtml(ways: Ways): string {
  const lines = waysOf(ways).map((way) => `<p><code>${escapeHtml(way)}</code></p>`);
  const main = [`<h1>${TITLE}</h1>`, `<p>${WHAT}</p>`, `<p>${HOW}</p>`, ...lines];
  return htmlPage("Culvert", main.join("\n"));
}
