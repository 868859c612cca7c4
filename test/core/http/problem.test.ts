import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FAILURE_CODES, failureOf } from "../../../core/failure.ts";
import { headerValue, validHeader } from "../../../core/http/headers.ts";
import { prefersHtml, problemResponse, renderProblem } from "../../../core/http/problem.ts";

function textOf(response: { readonly body: Uint8Array }): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(response.body);
}

const PROBLEM = {
  status: 502,
  code: "origin_refused",
  title: "No.",
  detail: null,
  requestId: null,
  retryAfterSeconds: null,
  docsUrl: null,
};

describe("problemResponse", () => {
  it.each(FAILURE_CODES)("tells of %s as RFC 9457 has it", (code) => {
    const { status, title, retryAfterSeconds } = failureOf(code);
    const response = problemResponse(code, { requestId: 7, html: false, detail: "Because." });
    expect(response.status).toBe(status);
    expect(JSON.parse(textOf(response))).toEqual({
      type: "about:blank",
      title,
      status,
      detail: "Because.",
      code,
      requestId: 7,
    });
    expect(headerValue(response.headers, "content-type")).toBe("application/problem+json");
    expect(headerValue(response.headers, "content-length")).toBe(String(response.body.length));
    expect(headerValue(response.headers, "cache-control")).toBe("no-store");
    const retryAfter = retryAfterSeconds === null ? undefined : String(retryAfterSeconds);
    expect(headerValue(response.headers, "retry-after")).toBe(retryAfter);
  });

  it("takes another status where the asker knows a better one", () => {
    const response = problemResponse("agent_not_connected", { requestId: 7, html: false, status: 503 });
    expect(response.status).toBe(503);
    expect(JSON.parse(textOf(response))).toMatchObject({ status: 503, code: "agent_not_connected" });
    expect(headerValue(response.headers, "retry-after")).toBe("5");
  });

  it.each(FAILURE_CODES)("sends headers that HTTP allows with %s", (code) => {
    for (const html of [false, true]) {
      const { headers } = problemResponse(code, { requestId: null, html });
      for (let index = 0; index < headers.length; index += 2) {
        expect(validHeader(headers[index] ?? "", headers[index + 1] ?? "\n")).toBe(true);
      }
    }
  });

  it("leaves out a detail that there is not, and keeps the place of the request id", () => {
    const parsed = JSON.parse(textOf(problemResponse("draining", { requestId: null, html: false })));
    expect(parsed).not.toHaveProperty("detail");
    expect(parsed.requestId).toBeNull();
  });

  it("says on a 401 and a 426, and there only, what would do instead", () => {
    const unauthorized = problemResponse("unauthorized", { requestId: 1, html: false });
    const upgrade = problemResponse("upgrade_required", { requestId: 1, html: false });
    expect(headerValue(unauthorized.headers, "www-authenticate")).toBe("Bearer");
    expect(headerValue(upgrade.headers, "upgrade")).toBe("websocket");
    const other = problemResponse("bad_request", { requestId: 1, html: false });
    expect(headerValue(other.headers, "www-authenticate")).toBeUndefined();
    expect(headerValue(other.headers, "upgrade")).toBeUndefined();
  });

  it("gives a browser a page that needs nothing else", () => {
    const response = problemResponse("agent_not_connected", { requestId: 42, html: true });
    const page = textOf(response);
    expect(headerValue(response.headers, "content-type")).toBe("text/html; charset=utf-8");
    expect(headerValue(response.headers, "content-security-policy")).toContain("default-src 'none'");
    expect(page).toContain("The home is not connected.");
    expect(page).toContain("agent_not_connected");
    expect(page).toContain("42");
    expect(page).not.toMatch(/https?:|src=|href=|url\(|<script/);
  });
});

describe("where there is a page of errors, a problem", () => {
  const docsUrl = "https://docs.example.org/errors.html";
  const section = `${docsUrl}#agent_lost`;

  it("has its section there for its type", () => {
    const problem = problemResponse("agent_lost", { requestId: 1, html: false, docsUrl });
    expect(JSON.parse(textOf(problem)).type).toBe(section);
  });

  it("leads a person to it, who is not told to whom he was going", () => {
    const page = textOf(problemResponse("agent_lost", { requestId: 1, html: true, docsUrl }));
    expect(page).toContain(`<a href="${section}" rel="noreferrer">`);
  });

  it("lets the address of the page become no markup", () => {
    const page = textOf(renderProblem({ ...PROBLEM, docsUrl: 'https://x/"><script>' }, true));
    expect(page).not.toContain("<script");
    expect(page).toContain("https://x/&quot;&gt;&lt;script&gt;#origin_refused");
  });
});

describe("renderProblem", () => {
  const markup = fc.string({ unit: fc.constantFrom(..."<>&\"'/ab;!-=x") });

  it("lets no text become markup", () => {
    const plainTags = textOf(renderProblem({ ...PROBLEM, detail: "" }, true)).split("<").length;
    fc.assert(
      fc.property(markup, markup, markup, (title, detail, code) => {
        const page = textOf(renderProblem({ ...PROBLEM, title, detail, code }, true));
        expect(page.split("<")).toHaveLength(plainTags);
        expect(page.replaceAll(/&(?:amp|lt|gt|quot|#39);/g, "")).not.toContain("&");
        expect(/<h1>(.*)<\/h1>/.exec(page)?.[1]).not.toMatch(/[<>"']/);
      }),
    );
  });

  it("shows a text as it was written", () => {
    const page = textOf(renderProblem({ ...PROBLEM, title: `<a href="x">'&amp;'</a>` }, true));
    expect(page).toContain("<h1>&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;&#39;&lt;/a&gt;</h1>");
  });
});

describe("prefersHtml", () => {
  it.each([
    ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true],
    ["TEXT/HTML", true],
    ["text/html, application/json", true],
    ["*/*", false],
    ["", false],
    ["application/json", false],
    ["text/html;q=0", false],
    ["text/html;q=0.5, application/json", false],
    ["text/html;q=0.5, application/problem+json;q=0.6", false],
    ["text/html;q=0.5, */*", false],
    ["text/html;q=0.5, */*, application/json;q=0.1, application/problem+json;q=0.1", true],
    ["text/html;q=0.5, application/*", false],
    ["text/*", false],
  ])("is asked %j and says %j", (accept, expected) => {
    expect(prefersHtml(["Accept", accept])).toBe(expected);
  });

  it("takes a client without the header for a program", () => {
    expect(prefersHtml([])).toBe(false);
  });
});
