/** Requests that no home ever sees: what the server answers by itself, and mostly refuses. */
import type { RequestHead } from "./request-head.ts";

/** A request that the server answers itself, and mostly refuses. */
export type OddRequest = keyof typeof odd;

/** What it may name. */
export type Known = {
  readonly clientId: string;
  readonly clientToken: string;
  readonly signature: string;
  readonly accessToken: string;
};

type Odd = {
  readonly method: string;
  /** One or several, or none; the server's own name where left out. */
  readonly hosts?: readonly string[];
  readonly target: string;
  readonly authorization?: string | readonly string[];
  readonly headers?: readonly string[];
  readonly minorVersion?: 0;
};

const odd = {
  asterisk_target: answered([400], () => ({ method: "OPTIONS", target: "*" })),
  target_without_path: answered([400], () => ({ method: "GET", target: "ftp://tunnel.example/" })),
  target_with_space: answered([400], ({ clientId }) => ({
    method: "GET",
    target: `/a b?clientId=${clientId}`,
  })),
  front_page: answered([200], () => ({ method: "GET", target: "/", headers: ["accept", "text/html"] })),
  front_page_posted: answered([400], () => ({ method: "POST", target: "/" })),
  health_head: answered([200], () => ({ method: "HEAD", target: "/health" })),
  health_posted: answered([405], () => ({ method: "POST", target: "/health" })),
  socket_path: answered([426], () => ({ method: "GET", target: "/ws" })),
  register_got: answered([405], ({ clientId }) => ({
    method: "GET",
    target: `/auth/register-client?clientId=${clientId}`,
  })),
  register_without_id: answered([400], () => ({ method: "POST", target: "/auth/register-client" })),
  register_head: answered([200], ({ clientId, accessToken }) => ({
    method: "HEAD",
    target: `/auth/register-client?clientId=${clientId}`,
    authorization: `Bearer ${accessToken}`,
  })),
  signature_got: answered([405], ({ clientId }) => ({
    method: "GET",
    target: `/auth/signature-token?clientId=${clientId}`,
  })),
  signature_without_id: answered([400], () => ({ method: "POST", target: "/auth/signature-token" })),
  signature_head: answered([200], ({ clientId, clientToken }) => ({
    method: "HEAD",
    target: `/auth/signature-token?clientId=${clientId}`,
    authorization: clientToken,
  })),
  validate_got: answered([405], ({ clientId, signature }) => ({
    method: "GET",
    target: `/auth/validate-signature-token?clientId=${clientId}&signature=${signature}`,
  })),
  validate_without_id: answered([400], () => ({ method: "POST", target: "/auth/validate-signature-token" })),
  magic_put: answered([405], ({ clientId }) => ({
    method: "PUT",
    target: `/auth/magic-token?clientId=${clientId}&magicToken=m`,
  })),
  magic_without_id: answered([400], () => ({ method: "POST", target: "/auth/magic-token?magicToken=m" })),
  magic_empty: answered([400], ({ clientId }) => ({
    method: "POST",
    target: `/auth/magic-token?clientId=${clientId}`,
  })),
  magic_login_empty: answered([401], () => ({ method: "GET", target: "/auth/magic-token" })),
  magic_login_unknown: answered([401], () => ({ method: "GET", target: "/auth/magic-token?magicToken=m" })),
  id_too_long: answered([400], () => ({ method: "GET", target: `/library?clientId=${"i".repeat(65)}` })),
  id_far_too_long: answered([400], () => ({ method: "GET", target: `/library?clientId=${"i".repeat(200)}` })),
  id_with_control: answered([400], () => ({ method: "GET", target: "/library?clientId=a%01b" })),
  scheme_alone: answered([401], (known) => ({ ...library(known), authorization: "Bearer" })),
  scheme_of_others: answered([401], (known) => ({ ...library(known), authorization: "Basic dTpw" })),
  token_in_two: answered([401], (known) => ({ ...library(known), authorization: "Bearer to ken" })),
  token_twice: answered([401], (known) => ({
    ...library(known),
    authorization: [known.clientToken, known.clientToken],
  })),
  mode_unknown: answered([400], (known) => ({
    ...library(known),
    authorization: known.clientToken,
    headers: ["culvert-response", "sometimes"],
  })),
  page_refused: answered([401], (known) => ({ ...library(known), headers: ["accept", "text/html"] })),
  page_unknown: answered([400], () => ({
    method: "GET",
    target: "/library",
    headers: ["accept", "text/html, */*;q=0.1"],
  })),
  two_hosts: answered([400], (known) => ({ ...library(known), hosts: ["a.example", "b.example"] })),
  no_host: answered([400, 401], (known) => ({ ...library(known), hosts: [] })),
  host_of_nobody: answered([400, 401], (known) => ({ ...library(known), hosts: ["bad host"] })),
  // HTTP/1.0 needs none. Nothing that the home knows, but it is asked.
  no_host_with_token: answered([404], (known) => ({
    ...library(known),
    minorVersion: 0,
    hosts: [],
    authorization: known.clientToken,
  })),
  absolute_without_path: answered([404], ({ clientId, clientToken }) => ({
    method: "GET",
    target: `http://tunnel.example?clientId=${clientId}`,
    authorization: clientToken,
  })),
  host_literal_malformed: answered([400], (known) => ({ ...library(known), hosts: ["[1::2::3]:80"] })),
  host_label_too_long: answered([400], (known) => ({
    ...library(known),
    hosts: [`${"l".repeat(64)}.tunnel.example`],
  })),
  host_with_port: answered([401], (known) => ({ ...library(known), hosts: ["tunnel.example:8443"] })),
  host_by_address: answered([401], (known) => ({ ...library(known), hosts: ["[2001:db8::1]:80"] })),
  host_port_too_high: answered([400, 401], (known) => ({
    ...library(known),
    hosts: ["tunnel.example:99999"],
  })),
  host_in_capitals: answered([401, 404], ({ clientId }) => ({
    method: "GET",
    target: "/",
    hosts: [`${clientId.toUpperCase()}.Tunnel.Example.:80`],
  })),
  host_below_a_home: answered([200], ({ clientId }) => ({
    method: "GET",
    target: "/",
    hosts: [`www.${clientId}.tunnel.example`],
  })),
  host_asterisk: answered([401, 404, 200, 400], ({ clientId }) => ({
    method: "OPTIONS",
    target: "*",
    hosts: [`${clientId}.tunnel.example`],
  })),
  host_mode_unknown: answered([400], ({ clientId }) => ({
    method: "GET",
    target: "/",
    hosts: [`${clientId}.tunnel.example`],
    headers: ["culvert-response", "sometimes"],
  })),
  path_without_id: answered([400], () => ({ method: "GET", target: "/t/" })),
  path_with_bad_id: answered([400], () => ({ method: "GET", target: "/t/%zz/a" })),
  path_alone: answered([308, 400], ({ clientId }) => ({ method: "GET", target: `/t/${clientId}` })),
  path_by_digest: answered([400, 401, 404], ({ clientId }) => ({
    method: "GET",
    target: `/t/${clientId}/a`,
    authorization: 'Digest username="u"',
  })),
  path_by_bad_basic: answered([400, 401, 404], ({ clientId }) => ({
    method: "GET",
    target: `/t/${clientId}/a`,
    authorization: "Basic ####",
  })),
  path_by_basic_without_colon: answered([400, 401, 404], ({ clientId }) => ({
    method: "GET",
    target: `/t/${clientId}/a?broken=%ff`,
    authorization: "Basic dXNlcg==",
  })),
  foreign_method: answered([405], (known) => ({
    ...library(known),
    method: "PROPFIND",
    authorization: known.clientToken,
  })),
  two_ranges: answered([400], (known) => ({
    ...library(known),
    authorization: known.clientToken,
    headers: ["range", "bytes=0-1", "range", "bytes=2-3"],
  })),
} as const;

export const ODD_REQUESTS = Object.keys(odd) as readonly OddRequest[];

/** The statuses that the server may answer with, where all is well. */
export function oddStatuses(name: OddRequest): readonly number[] {
  return odd[name].statuses;
}

export function oddHead(name: OddRequest, known: Known): RequestHead {
  const {
    method,
    target,
    hosts = ["tunnel.example"],
    authorization = [],
    headers = [],
    minorVersion,
  }: Odd = odd[name].put(known);
  const values = typeof authorization === "string" ? [authorization] : authorization;
  return {
    method,
    target,
    headers: [
      ...hosts.flatMap((host) => ["host", host]),
      ...headers,
      ...values.flatMap((value) => ["authorization", value]),
    ],
    hasBody: false,
    ...(minorVersion === 0 ? { minorVersion } : {}),
  };
}

function answered(
  statuses: readonly number[],
  put: (known: Known) => Odd,
): { readonly statuses: readonly number[]; readonly put: (known: Known) => Odd } {
  return { statuses, put };
}

function library({ clientId }: Known): Odd {
  return { method: "GET", target: `/library/1?clientId=${clientId}` };
}
