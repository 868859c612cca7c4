import { createHmac, createSecretKey, scryptSync } from "node:crypto";

/**
 * HMAC-SHA-256 by a key that all servers with the same access token make. Signatures are in browsers' hands, so the key is made
 * slowly (some 16 MiB, some ten milliseconds, when it is first needed): whoever has one must not be able to try out access tokens.
 */
export function createSignature(accessToken: string): (text: string) => string {
  let key: Buffer | null = null;
  return (text) => {
    key ??= scryptSync(accessToken, "culvert session key", 32, { N: 2 ** 14, r: 8, p: 1 });
    return createHmac("sha256", key).update(text).digest("hex");
  };
}

/** HMAC-SHA-256 by a secret of the cluster, which is long and random, and in nobody's hands but the nodes'. */
export function createPeerHmac(secret: string): (text: string) => string {
  const key = createSecretKey(secret, "utf8");
  return (text) => createHmac("sha256", key).update(text).digest("hex");
}
