/** What a visitor gets to read when something failed: a problem document (RFC 9457), or a small page for a browser. */
import { type FailureCode, failureOf } from "../failure.ts";
import { encodeUtf8 } from "../wire/utf8.ts";
import type { HeaderList } from "./headers.ts";
import { weightsOf } from "./weights.ts";

/** One failure of one request, whoever reports it. */
export type Problem = {
  readonly status: number;
  /** Stable and machine-readable. */
  readonly code: string;
  /** One sentence for a person. */
  readonly title: string;
  /** What was special about this occurrence. Never holds a secret. */
  readonly detail: string | null;
  readonly requestId: number | null;
  readonly retryAfterSeconds: number | null;
  /** The page that has a section for each code, under an anchor of its name; null where there is none. */
  readonly docsUrl: string | null;
};

export type ProblemResponse = {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Uint8Array;
};

/** The whole response for a failure of the server's table, `status` in place of the table's where it is given. */
export function problemResponse(
  code: FailureCode,
  options: {
    readonly requestId: number | null;
    readonly html: boolean;
    readonly docsUrl?: string | null;
    readonly detail?: string;
    readonly status?: number;
  },
): ProblemResponse {
  const { title, retryAfterSeconds } = failureOf(code);
  const { requestId, html, docsUrl = null, detail = null, status = failureOf(code).status } = options;
  return renderProblem({ status, code, title, detail, requestId, retryAfterSeconds, docsUrl }, html);
}

/** The detail of a problem for a limit that was passed: which one, its value, and where it is set. `name` ends in `Ms` or `BytesMax`. */
export function limitDetail(name: string, value: number, owner: "server" | "agent"): string {
  const unit = name.endsWith("Ms") ? "milliseconds" : "bytes";
  return `The limit is ${name}=${value}, in ${unit}; the ${owner}'s --limit sets it.`;
}

/** The whole response for a problem, as a page or as JSON. */
export function renderProblem(problem: Problem, html: boolean): ProblemResponse {
  const body = encodeUtf8(html ? problemPage(problem) : problemJson(problem));
  const headers = [
    "content-type",
    html ? "text/html; charset=utf-8" : "application/problem+json",
    "content-length",
    String(body.length),
    "cache-control",
    "no-store",
    "x-content-type-options",
    "nosniff",
  ];
  if (html) headers.push("content-security-policy", PAGE_POLICY);
  if (problem.retryAfterSeconds !== null) headers.push("retry-after", String(problem.retryAfterSeconds));
  // These two statuses must say what would do instead (RFC 9110 sections 15.5.2 and 15.5.22).
  if (problem.status === 401) headers.push("www-authenticate", "Bearer");
  if (problem.status === 426) headers.push("connection", "upgrade", "upgrade", "websocket");
  return { status: problem.status, headers, body };
}

/** Whether the client is a person's browser: it names HTML, and takes JSON no more gladly. */
export function prefersHtml(headers: HeaderList): boolean {
  const weights = weightsOf(headers, "accept");
  const html = weights.get("text/html") ?? 0;
  const any = weights.get("application/*") ?? weights.get("*/*") ?? 0;
  const json = weights.get("application/json") ?? any;
  const problemJson = weights.get("application/problem+json") ?? any;
  return html > 0 && html >= json && html >= problemJson;
}

function problemJson(problem: Problem): string {
  const { status, code, title, detail, requestId } = problem;
  return JSON.stringify({
    type: sectionOf(problem) ?? "about:blank",
    title,
    status,
    ...(detail === null ? {} : { detail }),
    code,
    requestId,
  });
}

/** Where a person reads what to do; RFC 9457 section 3.1.1 has such an address as the problem's type. */
function sectionOf({ docsUrl, code }: Problem): string | null {
  return docsUrl === null ? null : `${docsUrl}#${code}`;
}

function problemPage(problem: Problem): string {
  const { status, code, title, detail, requestId } = problem;
  const section = sectionOf(problem);
  return htmlPage(
    `${status} ${title}`,
    `<p class="status">${status}</p>
<h1>${escapeHtml(title)}</h1>
${detail === null ? "" : `<p>${escapeHtml(detail)}</p>\n`}${section === null ? "" : `<p><a href="${escapeHtml(section)}" rel="noreferrer">Why, and what to do</a></p>\n`}<dl>
<dt>Code</dt><dd>${escapeHtml(code)}</dd>
${requestId === null ? "" : `<dt>Request</dt><dd>${requestId}</dd>\n`}</dl>`,
  );
}

/** A page of the server's own. `title` is text, `main` is HTML, `style` what it needs beyond the style of all. */
export function htmlPage(title: string, main: string, style = ""): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${PAGE_STYLE}${style}</style>
</head>
<body>
<main>
${main}
</main>
</body>
</html>
`;
}

/** Of a page that has nothing but its own style. */
export const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'";

const PAGE_STYLE = `
:root { color-scheme: light dark; --ink: #1c2430; --quiet: #667085; --page: #f4f6f8; --card: #fff; --line: #e3e7ec; --mark: #0f766e; --alarm: #b42318; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ecf1; --quiet: #98a2b3; --page: #12161c; --card: #1a2028; --line: #2b333e; --mark: #5eead4; --alarm: #fda29b; }
}
* { box-sizing: border-box; margin: 0; }
body { min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--page); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
main { width: 100%; max-width: 32rem; padding: 2.5rem; background: var(--card); border: 1px solid var(--line); border-top: 4px solid var(--mark); border-radius: 0.75rem; }
.status { color: var(--mark); font-weight: 600; letter-spacing: 0.08em; }
h1 { margin: 0.25rem 0 0.75rem; font-size: 1.5rem; line-height: 1.25; text-wrap: balance; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1rem; margin-top: 1.75rem; padding-top: 1.25rem; border-top: 1px solid var(--line); font-size: 0.875rem; color: var(--quiet); }
a { color: var(--mark); }
dd { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
`;

/** The ampersand first, for the others' references have one. */
const HTML_ESCAPES: ReadonlyMap<string, string> = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&quot;"],
  ["'", "&#39;"],
]);

export function escapeHtml(text: string): string {
  let escaped = text;
  for (const [character, reference] of HTML_ESCAPES) escaped = escaped.replaceAll(character, reference);
  return escaped;
}
