/**
 * What a welcome says of the ways into the agent's home (`native.md`). It is shown to people, so it has nothing in it that a
 * terminal or a browser could take for something else.
 */

export type Ways = {
  /** The home's own name; null where it has none. */
  readonly host: string | null;
  /** Its path on the server's names, with a slash at both ends; null where it has none. */
  readonly path: string | null;
};

/** Null for what is not one. */
export function decodeWays(value: unknown): Ways | null {
  if (typeof value !== "object" || value === null || !("host" in value) || !("path" in value)) return null;
  const { host, path } = value;
  if (host !== null && !isHost(host)) return null;
  if (path !== null && (typeof path !== "string" || !PATH.test(path))) return null;
  return { host, path };
}

export function areSameWays(one: Ways | null, other: Ways | null): boolean {
  if (one === null || other === null) return one === other;
  return one.host === other.host && one.path === other.path;
}

/** Whether it can be said to be the name of a home. */
export function isHost(value: unknown): value is string {
  return typeof value === "string" && HOST.test(value);
}

const HOST = /^[0-9a-z._-]{1,253}$/;
/** A client id has 64 characters at most, of four bytes each, of three characters each. */
const PATH = /^\/(?:[0-9A-Za-z._~!$&'()*+,;=:@/-]|%[0-9A-F]{2}){1,1024}\/$/;
