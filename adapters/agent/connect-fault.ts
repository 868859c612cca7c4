/** What an error of Node, OpenSSL or `ws` says about a connection that did not come to an answer. */
import type { ConnectFault, ConnectFaultKind } from "../../core/events.ts";
import { causeOf, codeOf } from "../error-cause.ts";

export function connectFault(error: unknown): ConnectFault {
  return { kind: kindOf(error), detail: detailOf(error) };
}

/** The error in one line; of OpenSSL's errors what is said of the matter and not of the place in its source. */
export function detailOf(error: unknown): string {
  const cause = causeOf(error);
  const reason = OPENSSL_REASON.exec(cause)?.[1];
  return (reason === undefined ? cause : `${codeOf(error)} ${reason}`).replace(/\s+/g, " ").trim();
}

function kindOf(error: unknown): ConnectFaultKind {
  const code = codeOf(error);
  const known = KINDS[code];
  if (known !== undefined) return known;
  const message = causeOf(error);
  if (code.startsWith("HPE_")) return isTlsRecord(error) ? "tls_there" : "not_http";
  if (code === "EPROTO" || code.startsWith("ERR_SSL_"))
    return NO_TLS.test(`${code} ${message}`) ? "not_tls" : "tls_failed";
  if (code.startsWith("ERR_TLS_")) return "tls_failed";
  if (CERTIFICATE.test(code)) return "certificate_refused";
  // `ws` gives its errors no codes.
  return BROKEN_HANDSHAKE.test(message) ? "handshake_broken" : "other";
}

const KINDS: { readonly [Code in string]?: ConnectFaultKind } = {
  ENOTFOUND: "name_unknown",
  EAI_AGAIN: "name_unknown",
  ENODATA: "name_unknown",
  ECONNREFUSED: "refused",
  ENETUNREACH: "unreachable",
  EHOSTUNREACH: "unreachable",
  ENETDOWN: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  ETIMEDOUT: "silent",
  ERR_SOCKET_CONNECTION_TIMEOUT: "silent",
  ECONNRESET: "closed",
  ECONNABORTED: "closed",
  EPIPE: "closed",
  DEPTH_ZERO_SELF_SIGNED_CERT: "certificate_untrusted",
  SELF_SIGNED_CERT_IN_CHAIN: "certificate_untrusted",
  UNABLE_TO_GET_ISSUER_CERT: "certificate_untrusted",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificate_untrusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificate_untrusted",
  CERT_UNTRUSTED: "certificate_untrusted",
  CERT_NOT_YET_VALID: "certificate_early",
  CERT_HAS_EXPIRED: "certificate_expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "certificate_name",
};

/** The rest of OpenSSL's verification errors, as Node names them. */
const CERTIFICATE =
  /^(?:CERT_|CRL_|UNABLE_TO_|ERROR_IN_(?:CERT|CRL)_|INVALID_(?:CA|PURPOSE)$|PATH_LENGTH_EXCEEDED$|HOSTNAME_MISMATCH$)/;

/** What OpenSSL says of a record that is none. */
const NO_TLS = /wrong.version.number|packet.length.too.long|http.request|record.layer.failure/i;

const OPENSSL_REASON = /SSL routines:[^:]*:([^:]+):/;

const BROKEN_HANDSHAKE =
  /^(?:Invalid (?:Upgrade|Sec-WebSocket)|Server sent (?:a|an|no) )|Unexpected server response: 101/;

/** An alert (RFC 8446 section 6) in place of an answer. Node's parser shows what it could not read. */
function isTlsRecord(error: unknown): boolean {
  if (!(error instanceof Error) || !("rawPacket" in error)) return false;
  const { rawPacket } = error;
  return (
    rawPacket instanceof Uint8Array && (rawPacket[0] === 0x15 || rawPacket[0] === 0x16) && rawPacket[1] === 3
  );
}
