/** Where errors lead people. */

import type { Setting } from "./reading/setting.ts";
import { baseUrl } from "./schemas.ts";

/** Of a page that has an anchor for each code; null for none. */
export const docsUrl = baseUrl(
  { "http:": "http:", "https:": "https:" },
  "https://docs.example.org/errors.html",
)
  .transform((url) => url.href)
  .nullable()
  .default(null);

export const docsUrlSetting: Setting = {
  flag: "docs-url",
  variable: "CULVERT_DOCS_URL",
  placeholder: "URL",
  help: "a page with an anchor for each error, such as this program's docs/errors.md, to which errors link (default: none)",
};
