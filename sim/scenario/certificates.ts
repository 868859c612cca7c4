/** The names that proxies in front of the nodes are asked for, as their clients spell them. */
import { DOMAIN, OWN_DOMAIN, ownNameOf } from "./request.ts";
import type { CertificateOperation, HomeSpec } from "./scenario.ts";

export const CERTIFICATE_NAMES = ["domain", "home", "own", "stranger", "odd"] as const;

export function nameAsked({ id, name }: CertificateOperation, home: HomeSpec): string {
  switch (name) {
    case "domain":
      return spelled(DOMAIN, id);
    case "home":
      return spelled(`${home.clientId}.${DOMAIN}`, id);
    case "own":
      return spelled(ownNameOf(home) ?? `nobody.${OWN_DOMAIN}`, id);
    case "stranger":
      return spelled(`nobody${id}.${DOMAIN}`, id);
    case "odd":
      return ODD[id % ODD.length] ?? "";
  }
}

function spelled(name: string, id: number): string {
  return SPELLINGS[id % SPELLINGS.length]?.(name) ?? name;
}

/** All of them mean the same (RFC 4343, RFC 1034 section 3.1). */
const SPELLINGS: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => name.toUpperCase(),
  (name) => `${name}.`,
];

const ODD = [
  "",
  ".",
  DOMAIN.slice(1),
  `.${DOMAIN}`,
  `a.b.${DOMAIN}`,
  `x${DOMAIN}`,
  "example.org",
  "192.0.2.1",
];
