/** What a browser sends at each of its steps, as browsers do: whose page it is for, its cookies, its forms. */
import type { PROXIES } from "./forwarding.ts";
import { DOMAIN, ownNameOf, passwordFieldOf, visitorTokenOf, wrongTokenOf } from "./request.ts";
import type { RequestHead } from "./request-head.ts";
import type { BrowserDeed, BrowserOperation, HomeSpec, Scenario } from "./scenario.ts";

export const BROWSER_DEEDS = [
  "look",
  "follow",
  "fetch",
  "sign_in",
  "sign_in_wrongly",
  "sign_in_page",
  "sign_out",
  "sign_out_page",
  "foreign_fetch",
  "foreign_form",
  "foreign_sign_in",
  "foreign_sign_out",
] as const satisfies readonly BrowserDeed[];

const SIGN_IN = "/.well-known/culvert/sign-in";
const SIGN_OUT = "/.well-known/culvert/sign-out";

/** What every home has; which browser asks stands in the query. */
const PAGE = "/library/0";

export type BrowserRequest = { readonly head: RequestHead; readonly body: string };

export function isSecure(scenario: Pick<Scenario, "trustedProxies">, { secure }: BrowserOperation): boolean {
  return secure === true && scenario.trustedProxies !== undefined;
}

/** The path below which all of the home is; empty where it has a name. */
export function prefixOf({ way }: BrowserOperation, { clientId }: HomeSpec): string {
  return way === "path" ? `/t/${clientId}` : "";
}

export function browserRequest(
  scenario: Pick<Scenario, "trustedProxies">,
  operation: BrowserOperation,
  home: HomeSpec,
  { does, cookie }: { readonly does: BrowserDeed; readonly cookie: string },
): BrowserRequest {
  const { id } = operation;
  const overTls = isSecure(scenario, operation);
  const host = hostOf(operation, home);
  const isForeign = does.startsWith("foreign_");
  const body = formOf(does, home);
  const isForm = FORMS.has(does) && !isAsked(does, home);
  const isPage = PAGES.has(does) || isForm || isAsked(does, home);
  const headers = ["host", host, "accept", isPage ? "text/html,*/*;q=0.8" : "application/json"];
  const from = does === "look" || does === "sign_in_page" ? "none" : isForeign ? "same-site" : "same-origin";
  if (operation.old !== true) {
    const site = does === "follow" ? "cross-site" : from;
    headers.push("sec-fetch-site", site, "sec-fetch-mode", isPage ? "navigate" : "cors");
  }
  // Of reads only those across origins have it (the Fetch standard, section 3.2).
  if (isForm || (isForeign && !isPage)) {
    headers.push(
      "origin",
      isForeign
        ? `${overTls ? "https" : "http"}://other.${DOMAIN}`
        : `${overTls ? "https" : "http"}://${host}`,
    );
  }
  if (isAsked(does, home)) headers.push("authorization", passwordFieldOf(home, does === "sign_in"));
  headers.push("cookie", cookie === "" ? "theirs=1" : `theirs=1; ${cookie}; more="2"`);
  if (isForm)
    headers.push("content-type", "application/x-www-form-urlencoded", "content-length", String(body.length));
  // By an address of his own he shares no bound with anybody.
  const address = `198.19.${(id >> 8) & 255}.${id & 255}`;
  if (overTls) headers.push("x-forwarded-proto", "https", "x-forwarded-for", address);
  const head = {
    method: isForm ? "POST" : "GET",
    target: `${prefixOf(operation, home)}${pathOf(does, id)}`,
    headers,
    hasBody: isForm,
    peer: overTls ? PROXY : address,
  };
  return { head, body };
}

/** One of those that a run may trust. */
const PROXY = "198.51.100.200" satisfies (typeof PROXIES)[number];

const FORMS: ReadonlySet<BrowserDeed> = new Set([
  "sign_in",
  "sign_in_wrongly",
  "sign_out",
  "foreign_form",
  "foreign_sign_in",
  "foreign_sign_out",
]);
const PAGES: ReadonlySet<BrowserDeed> = new Set(["look", "follow", "sign_in_page", "sign_out_page"]);

/** Where a password opens the home, the browser itself asks for it, and shows it to the page of the sign-in. */
export function isAsked(does: BrowserDeed, { access }: HomeSpec): boolean {
  return access === "basic" && (does === "sign_in" || does === "sign_in_wrongly");
}

function hostOf({ id, way }: BrowserOperation, home: HomeSpec): string {
  if (way === "path") return DOMAIN;
  const own = ownNameOf(home);
  return own !== null && id % 2 === 0 ? own : `${home.clientId}.${DOMAIN}`;
}

function pathOf(does: BrowserDeed, id: number): string {
  switch (does) {
    case "sign_in":
    case "sign_in_wrongly":
    case "sign_in_page":
    case "foreign_sign_in":
      return SIGN_IN;
    case "sign_out":
    case "sign_out_page":
    case "foreign_sign_out":
      return SIGN_OUT;
    default:
      return `${PAGE}?browser=${id}`;
  }
}

function formOf(does: BrowserDeed, { clientId }: HomeSpec): string {
  switch (does) {
    case "sign_in":
    case "foreign_sign_in":
      return `to=${encodeURIComponent(`${PAGE}?after=1`)}&token=${visitorTokenOf(clientId)}`;
    case "sign_in_wrongly":
      return `token=+${wrongTokenOf(clientId)}&to=//elsewhere.example/`;
    default:
      return "";
  }
}
