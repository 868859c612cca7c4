/** The cookies of one browser (RFC 6265 section 5.3): of one host, since it goes to no other. */

type Cookie = { readonly value: string; readonly path: string; readonly expiresUs: number };

export class Jar {
  readonly #cookies = new Map<string, Cookie>();
  readonly #keepsExpired: boolean;

  constructor({ keepsExpired }: { readonly keepsExpired: boolean }) {
    this.#keepsExpired = keepsExpired;
  }

  /** Takes in a `Set-Cookie` field. */
  take(field: string, nowUs: number): void {
    const [pair = "", ...attributes] = field.split(";").map((part) => part.trim());
    const equals = pair.indexOf("=");
    const said = new Map(attributes.map((text) => [text.split("=")[0]?.toLowerCase(), text.split("=")[1]]));
    const path = said.get("path") ?? "/";
    const seconds = said.get("max-age");
    // One of the same name and another path is another cookie.
    const key = `${pair.slice(0, equals)} ${path}`;
    this.#cookies.delete(key);
    if (seconds !== undefined && Number(seconds) <= 0) return;
    const expiresUs = seconds === undefined ? Number.POSITIVE_INFINITY : nowUs + Number(seconds) * 1_000_000;
    this.#cookies.set(key, { value: pair, path, expiresUs });
  }

  /** A `Cookie` field for that path; empty for none. */
  cookiesFor(path: string, nowUs: number): string {
    const some = [...this.#cookies.values()]
      .filter((cookie) => path.startsWith(cookie.path))
      .filter(({ expiresUs }) => this.#keepsExpired || expiresUs > nowUs)
      .sort((a, b) => b.path.length - a.path.length);
    return some.map(({ value }) => value).join("; ");
  }
}
