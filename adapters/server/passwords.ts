/** Slow hashes of passwords, worked out in Node's pool of threads: `core/server/routing/access.ts` has their form. */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { isSalted } from "../../core/server/routing/access.ts";

/** OWASP's choice for scrypt with 32 MiB (Password Storage Cheat Sheet): a fifth of a second on a small machine. */
const NEW = { ln: 15, r: 8, p: 3 } as const;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

/** Node takes 128 * N * r bytes and a little more. */
const MEMORY_BYTES_MAX = 64 * 1024 * 1024;

type Work = { readonly ln: number; readonly r: number; readonly p: number };

/** A hash of the password under a salt of its own. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, salt, NEW);
  return `scrypt.${NEW.ln}.${NEW.r}.${NEW.p}.${salt.toString("base64url")}.${key.toString("base64url")}`;
}

/** Whether it is the password of a hash that `isSalted` takes; `failed` where that could not be found out. Never rejects. */
export async function checkPassword(password: string, hash: string): Promise<"right" | "wrong" | "failed"> {
  if (!isSalted(hash)) return "failed";
  const [, ln, r, p, salt = "", key = ""] = hash.split(".");
  try {
    const work = { ln: Number(ln), r: Number(r), p: Number(p) };
    const derived = await derive(password, Buffer.from(salt, "base64url"), work);
    return timingSafeEqual(derived, Buffer.from(key, "base64url")) ? "right" : "wrong";
  } catch {
    // There is no memory for it now.
    return "failed";
  }
}

function derive(password: string, salt: Uint8Array, { ln, r, p }: Work): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { N: 2 ** ln, r, p, maxmem: MEMORY_BYTES_MAX };
    scrypt(password, salt, KEY_BYTES, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
