/**
 * Logins that are bound to their connection: with NTLM, and with Negotiate as it is deployed, an origin takes all requests of
 * a connection for those of the user who has logged in on it, against RFC 9110 section 11.1.
 */
import { type HeaderList, headerValues } from "../http/headers.ts";

/** Whether a request shows such a login. */
export function showsBoundLogin(headers: HeaderList): boolean {
  return namesBoundScheme(headers, "authorization");
}

/** Whether a response asks for such a login, or goes on with it. */
export function asksForBoundLogin(headers: HeaderList): boolean {
  return namesBoundScheme(headers, "www-authenticate");
}

/** Challenges are a list (RFC 9110 section 11.6.1), and commas inside of them do no harm here. */
function namesBoundScheme(headers: HeaderList, name: string): boolean {
  return headerValues(headers, name).some((value) => BOUND_SCHEME.test(value));
}

const BOUND_SCHEME = /(?:^|,)[\t ]*(?:ntlm|negotiate)(?:[\t ,]|$)/i;
