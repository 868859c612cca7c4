/**
 * Who has signed in at a home with a browser is let in by its cookie, and by nothing else: not before, not after he has signed out,
 * not when the cookie is over, and not for pages of others. Nobody but the server gives out that cookie, and no home sets or
 * deletes it. In a calm world each step comes to what it should.
 */
import type { BrowserAnswer } from "../record/browser.ts";
import type { Property } from "../record/checker.ts";
import { prefixOf } from "../scenario/browser.ts";
import { PAGE_HEADER } from "../scenario/model.ts";
import type { BrowserDeed } from "../scenario/scenario.ts";
import { isOurs } from "../scenario/session.ts";
import { headerOf } from "../tools/headers.ts";

/** A cookie says in whole seconds until when it is good. */
const ROUNDING_MS = 1_100;

export const signedIn: Property = {
  name: "signed_in",
  create: (violate, judged) => {
    let isCalm = false;
    let lifetimeMs = 0;
    const isShown = ({ does, signedInMs }: BrowserAnswer) => {
      if (does.startsWith("foreign_") || signedInMs === null) return false;
      return signedInMs < lifetimeMs + ROUNDING_MS || !isCalm;
    };
    return {
      begun: ({ scenario, serverLimits }) => {
        isCalm = scenario.calm;
        lifetimeMs = serverLimits.sessionLifetimeMs;
      },
      browserAnswered: (answer) => {
        const { does, home, operation, status, isWhole, signedInMs } = answer;
        judged();
        const wrong =
          wrongCookie(answer) ?? (isFromHome(answer) ? wrongService(answer, isShown(answer)) : null);
        const step = `browser ${operation.id} at ${home.clientId}, which does ${does},`;
        if (wrong !== null) violate("safety", `${step} ${wrong}`);
        const age = signedInMs ?? Number.POSITIVE_INFINITY;
        if (!isCalm || Math.abs(age - lifetimeMs) <= ROUNDING_MS) return;
        const wanted = wantedOf(answer, age < lifetimeMs);
        const came = isFromHome(answer) ? "home" : status;
        if (!isWhole || !wanted.some((each) => each === came))
          violate("liveness", `${step} gets ${came} in place of ${wanted.join(" or ")}`);
      },
    };
  },
};

function isFromHome({ headers }: BrowserAnswer): boolean {
  return headerOf(headers, PAGE_HEADER) !== undefined;
}

/** The server's own cookies that the answer sets. */
function oursIn(headers: readonly string[]): string[] {
  return headers.filter(
    (text, index) => index % 2 === 1 && headers[index - 1]?.toLowerCase() === "set-cookie" && isOurs(text),
  );
}

function wrongCookie(answer: BrowserAnswer): string | null {
  const { does, home, headers, operation, status, signedInMs } = answer;
  const [ours, ...more] = oursIn(headers);
  if (ours === undefined) return null;
  if (isFromHome(answer)) return "gets a cookie of the server's from the home";
  if (more.length > 0 || status !== 303) return "gets a cookie of the server's with something else";
  // Where a password opens the home, who is in already gets another cookie for having come to the page.
  const isAgain = home.access === "basic" && signedInMs !== null && /^sign_in/.test(does);
  if (does !== "sign_in" && does !== "sign_out" && !isAgain) return "gets a cookie of the server's";
  const isGone = /^[^=]+=; /.test(ours) && /; Max-Age=0;/.test(ours);
  if (isGone !== (does === "sign_out")) return `gets the cookie ${ours}`;
  const isTls = ours.includes("; Secure");
  const isNamedSo = ours.startsWith(
    isTls ? (operation.way === "host" ? "__Host-" : "__Secure-") : "culvert-",
  );
  const isBelow = ours.includes(`; Path=${prefixOf(operation, home)}/;`);
  const isKept = /; HttpOnly; /.test(ours) && /; SameSite=Lax$/.test(ours.replace("; Secure", ""));
  return isNamedSo && isBelow && isKept ? null : `gets the cookie ${ours}`;
}

function wrongService({ does, home }: BrowserAnswer, isShown: boolean): string | null {
  if (home.access === "public") return null;
  if (SERVERS_OWN.has(does)) return "reaches the home with what is the server's";
  return isShown ? null : "is served by the home";
}

const SERVERS_OWN: ReadonlySet<BrowserDeed> = new Set([
  "sign_in",
  "sign_in_wrongly",
  "sign_in_page",
  "sign_out",
  "sign_out_page",
  "foreign_sign_in",
  "foreign_sign_out",
]);

/** Whoever guesses too often is told so. */
const REFUSED = [401, 429] as const;

function wantedOf({ does, home }: BrowserAnswer, isIn: boolean): readonly (number | "home")[] {
  // Not every home has such a service, and not every protocol carries a form.
  if (home.access === "public")
    return SERVERS_OWN.has(does) || does === "foreign_form" ? ["home", 400, 404] : ["home"];
  switch (does) {
    case "look":
    case "follow":
    case "fetch":
      return isIn ? ["home"] : REFUSED;
    case "sign_in":
    case "sign_out":
      return [303];
    case "sign_in_wrongly":
      return isIn && home.access === "basic" ? [303] : REFUSED;
    case "sign_in_page":
      return home.access === "basic" ? (isIn ? [303] : REFUSED) : [200];
    case "sign_out_page":
      return [200];
    case "foreign_fetch":
    case "foreign_form":
      return REFUSED;
    case "foreign_sign_in":
      return home.access === "basic" ? REFUSED : [403];
    case "foreign_sign_out":
      return [403];
  }
}
