/** People with browsers: what they do one after the other, signed in mostly, and what other homes' pages try meanwhile. */
import { BROWSER_DEEDS } from "../scenario/browser.ts";
import type { BrowserDeed, BrowserOperation, HomeSpec } from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";

export function drawBrowser(
  random: Random,
  place: Pick<BrowserOperation, "id" | "atMs" | "home">,
  { homes, pathRouting }: { readonly homes: readonly HomeSpec[]; readonly pathRouting: boolean },
): BrowserOperation {
  const count = random.between(3, 10);
  const { access } = homes[place.home] ?? {};
  const does = Array.from({ length: count }, () => drawDeed(random, access));
  return {
    kind: "browser",
    ...place,
    way: pathRouting && random.chance(1, 2) ? "path" : "host",
    ...(random.chance(1, 2) ? { secure: true } : {}),
    ...(random.chance(1, 3) ? { old: true } : {}),
    ...(random.chance(1, 4) ? { keepsCookies: true } : {}),
    steps: does.map((each) => ({ afterMs: random.skewed(10, 5_000), does: each })),
  };
}

function drawDeed(random: Random, access: HomeSpec["access"]): BrowserDeed {
  const drawn = random.weighted<BrowserDeed>([
    [4, "sign_in"],
    [3, "look"],
    [3, "fetch"],
    [10, random.pick(BROWSER_DEEDS)],
  ]);
  // A home that takes everybody has no use for a form, and one behind a password has none that a page could post.
  if (access === "public" && FORMS.has(drawn)) return "look";
  return access === "basic" && drawn === "foreign_sign_in" ? "foreign_form" : drawn;
}

const FORMS: ReadonlySet<BrowserDeed> = new Set(["sign_in", "sign_in_wrongly", "foreign_sign_in"]);
