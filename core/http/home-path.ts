/**
 * A home below a path of the server, `/t/CLIENT-ID`, whose service knows nothing of that path: it is taken from what the service
 * is asked for, and from whatever else in the request names a place of the home; and it is given back to the answer's.
 */
import type { HeaderList } from "./headers.ts";
import { mapRequestReferences, mapResponseReferences } from "./reference-fields.ts";
import { below, isTo, parseReference, type Site, sharesHost, withLocal } from "./site.ts";

/** The request's fields without the site's prefix. `site` is the home as its visitor calls it. */
export function intoHome(headers: HeaderList, site: Site): HeaderList {
  return mapRequestReferences(headers, {
    reference: (text) => {
      const read = parseReference(text);
      if (read === null || (read.host !== null && !isTo(read, site))) return null;
      const local = below(read.local, site.prefix);
      return local === null ? null : withLocal(text, read.local, local);
    },
    origin: () => null,
    cookie: () => null,
  });
}

/** The response's fields with the site's prefix, but where the service has it there already: it may know of `X-Forwarded-Prefix`. */
export function outOfHome(headers: HeaderList, site: Site): HeaderList {
  return mapResponseReferences(headers, {
    reference: (text) => {
      const read = parseReference(text);
      if (read === null || (read.host !== null && !sharesHost(read, site))) return null;
      if (below(read.local, site.prefix) !== null) return null;
      return withLocal(text, read.local, site.prefix + (read.local === "" ? "/" : read.local));
    },
    origin: () => null,
    cookie: (attribute, value, name) => {
      if (attribute === "domain" || !value.startsWith("/")) return null;
      // Browsers take a cookie of such a name for all paths or not at all.
      if (name.toLowerCase().startsWith("__host-")) return null;
      return below(value, site.prefix) === null ? site.prefix + value : null;
    },
  });
}
