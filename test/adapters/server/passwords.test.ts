import { scryptSync } from "node:crypto";
import { expect, test } from "vitest";
import { checkPassword, hashPassword } from "../../../adapters/server/passwords.ts";
import { isSalted } from "../../../core/server/routing/access.ts";

test("makes another hash of the same password each time, in the form that the core takes", async () => {
  const hashes = await Promise.all([hashPassword("word"), hashPassword("word")]);
  expect(hashes.map(isSalted)).toEqual([true, true]);
  expect(new Set(hashes).size).toBe(2);
  expect(await Promise.all(hashes.map((hash) => checkPassword("word", hash)))).toEqual(["right", "right"]);
  expect(await checkPassword("wórd", hashes[0] ?? "")).toBe("wrong");
});

test("is scrypt as RFC 7914 has it, with the numbers of the hash", async () => {
  const salt = Buffer.alloc(16, 7);
  const key = scryptSync("pässwörd €", salt, 32, { N: 2 ** 14, r: 8, p: 2 });
  const hash = `scrypt.14.8.2.${salt.toString("base64url")}.${key.toString("base64url")}`;
  expect(await checkPassword("pässwörd €", hash)).toBe("right");
  expect(await checkPassword("", hash)).toBe("wrong");
});

test("works on nothing that asks for more than the core allows", async () => {
  const salt = Buffer.alloc(16).toString("base64url");
  const key = Buffer.alloc(32).toString("base64url");
  for (const hash of ["", `scrypt.20.8.1.${salt}.${key}`, `scrypt.15.8.9.${salt}.${key}`]) {
    expect(await checkPassword("word", hash)).toBe("failed");
  }
});

test("leaves the loop free while it works", async () => {
  const working = hashPassword("word");
  let turns = 0;
  let isDone = false;
  void working.then(() => {
    isDone = true;
  });
  while (!isDone) {
    turns++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(turns).toBeGreaterThan(10);
});
