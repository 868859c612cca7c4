/** Which of MoosicBox's paths a signature opens. */
import { mayLeave } from "../../http/target.ts";

/** The media paths, which elements of a page fetch without headers, are opened by the signature in the query. */
export function isSignedPath(method: string, path: string): boolean {
  if (path === "files/track") return method === "GET" || method === "HEAD" || method === "OPTIONS";
  // The home may read a path further than we do: a signature opens nothing that could be another place.
  return (method === "GET" || method === "HEAD") && COVER_PATH.test(path) && !mayLeave(path);
}

const COVER_PATH = /^files\/(?:artists|albums)\/[^/]+\/[^/]+$/;
