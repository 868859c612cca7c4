/** The pages by which a person signs in at a home with a browser, and out. They have no script, and tell nothing of the home. */
import type { HeaderList } from "../../http/headers.ts";
import { escapeHtml, htmlPage, PAGE_POLICY } from "../../http/problem.ts";
import { encodeUtf8 } from "../../wire/utf8.ts";

export type Page = {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Uint8Array;
};

export type SignInPage = {
  /** Where the form goes, and where the way out is: paths of this origin. */
  readonly action: string;
  readonly signOut: string;
  /** What was asked for, and is shown afterwards: a path of the home. */
  readonly to: string;
  /** Whether a token was shown that is not good. */
  readonly isWrong: boolean;
  /** 401 where it stands in place of something that is closed. */
  readonly status: 200 | 401;
};

export function signInPage({ action, signOut, to, isWrong, status }: SignInPage): Page {
  const main = `<h1>Sign in</h1>
<p>This home is open to those who have a token of it. Its owner gives it out.</p>
${isWrong ? '<p class="wrong" role="alert">That token is not good here, or no longer.</p>\n' : ""}<form method="post" action="${escapeHtml(action)}">
<input type="hidden" name="to" value="${escapeHtml(to)}">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" autocapitalize="off" spellcheck="false" required autofocus>
<button>Sign in</button>
</form>
<p class="note">A cookie keeps this browser signed in. On a device that others use, <a href="${escapeHtml(signOut)}">sign out</a> when you are done.</p>`;
  return page(status, "Sign in", main, status === 401 ? ["www-authenticate", "Bearer"] : []);
}

export function signOutPage(action: string): Page {
  const main = `<h1>Sign out</h1>
<p>This browser will need the token again to open this home.</p>
<form method="post" action="${escapeHtml(action)}">
<button>Sign out</button>
</form>`;
  return page(200, "Sign out", main, []);
}

function page(status: number, title: string, main: string, more: HeaderList): Page {
  const body = encodeUtf8(htmlPage(title, main, FORM_STYLE));
  const headers = [
    ...["content-type", "text/html; charset=utf-8", "content-length", String(body.length)],
    ...["cache-control", "no-store", "x-content-type-options", "nosniff"],
    // Without a referrer the form would have no origin either.
    ...["content-security-policy", POLICY, "referrer-policy", "same-origin"],
    ...more,
  ];
  return { status, headers, body };
}

/** Nobody else's form, and in nobody's frame. */
const POLICY = `${PAGE_POLICY}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`;

const FORM_STYLE = `
form { display: grid; gap: 0.5rem; margin-top: 1.5rem; }
label { font-weight: 600; }
input, button { width: 100%; padding: 0.7rem 0.8rem; font: inherit; color: inherit; border: 1px solid var(--line); border-radius: 0.5rem; background: var(--page); }
button { margin-top: 0.5rem; font-weight: 600; color: var(--card); background: var(--mark); border-color: var(--mark); cursor: pointer; }
:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
.wrong { margin-top: 1rem; padding: 0.6rem 0.8rem; border: 1px solid currentColor; border-radius: 0.5rem; color: var(--alarm); }
a { color: inherit; }
.note { margin-top: 1.25rem; font-size: 0.875rem; color: var(--quiet); }
`;
