/** What a visit asks for, and what it shows to be let in. */
import { ODD_REQUESTS } from "../scenario/odd-requests.ts";
import { type RequestQuirk, TUNNEL_QUIRKS } from "../scenario/quirks.ts";
import type { Credential, Endpoint, RequestSpec } from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";

const KIB = 1024;

export function drawEndpoint(random: Random): Endpoint {
  return random.weighted<Endpoint>([
    [40, "tunnel"],
    [10, "track"],
    [1, "health"],
    [2, "signature_token"],
    [2, "validate_signature"],
    [3, "magic_token_use"],
    [1, "register"],
    [1, "preflight"],
    [1, "bad_target"],
    [1, "no_client_id"],
    [1, "not_json"],
    [3, "odd"],
  ]);
}

export function drawRequest(random: Random, endpoint: Endpoint): RequestSpec {
  const method = drawMethod(random, endpoint);
  const takesBody = endpoint === "tunnel" && method !== "GET" && method !== "HEAD";
  const first = random.skewed(0, 50_000);
  const quirks = drawQuirks(random.stream("quirks"), { endpoint, method, takesBody });
  const isNumber = takesBody && random.stream("number").chance(1, 6);
  if (isNumber) quirks.push("number_body");
  return {
    endpoint,
    method,
    credential: drawCredential(random, endpoint),
    bodyBytes: takesBody ? random.skewed(0, 20 * KIB) : 0,
    uploadPieceBytes: random.pick([100, 1_000, 16 * KIB]),
    range: random.chance(1, 5) ? { first, last: first + random.skewed(0, 100_000) } : null,
    blocking: random.chance(1, 4),
    acceptEncoding: random.pick(["", "", "gzip", "br, gzip;q=0.5", "identity"]),
    ...(quirks.length === 0 ? {} : { quirks }),
    ...(isNumber ? { uploadPieceBytes: NUMBER_PIECE_BYTES } : {}),
    ...(endpoint === "odd" ? { odd: random.pick(ODD_REQUESTS) } : {}),
  };
}

/** Several of them make a number, and each end of one is a number as well. */
const NUMBER_PIECE_BYTES = 4;

function drawQuirks(
  random: Random,
  {
    endpoint,
    method,
    takesBody,
  }: { readonly endpoint: Endpoint; readonly method: string; readonly takesBody: boolean },
): RequestQuirk[] {
  if (endpoint === "track") return method !== "OPTIONS" && random.chance(1, 4) ? ["cover"] : [];
  if (endpoint !== "tunnel" || random.chance(2, 3)) return [];
  const quirks: RequestQuirk[] = [random.pick(TUNNEL_QUIRKS)];
  if (takesBody && random.chance(1, 2)) quirks.push(random.pick(["empty_body", "wide_body"] as const));
  return quirks;
}

function drawMethod(random: Random, endpoint: Endpoint): string {
  switch (endpoint) {
    case "tunnel":
      return random.weighted([
        [10, "GET"],
        [4, "POST"],
        [1, "PUT"],
        [1, "DELETE"],
        [1, "PATCH"],
        [1, "HEAD"],
        [1, "OPTIONS"],
      ]);
    case "track":
      return random.weighted([
        [10, "GET"],
        [2, "HEAD"],
        [1, "OPTIONS"],
      ]);
    case "not_json":
    case "register":
    case "signature_token":
    case "validate_signature":
    case "magic_token_store":
      return "POST";
    case "preflight":
      return "OPTIONS";
    default:
      return "GET";
  }
}

function drawCredential(random: Random, endpoint: Endpoint): Credential {
  if (endpoint === "magic_token_store" || endpoint === "odd") return "client";
  const right: Credential =
    endpoint === "track" || endpoint === "validate_signature"
      ? "signature"
      : endpoint === "register"
        ? "access"
        : random.chance(1, 5)
          ? "bare"
          : "client";
  const isVisit = endpoint === "tunnel" || endpoint === "not_json";
  if (isVisit && random.stream("visitor token").chance(1, 4)) return "visitor";
  return random.weighted<Credential>([
    [20, right],
    [1, "none"],
    [1, "wrong"],
    [1, "foreign"],
    [1, "expired"],
  ]);
}
