/** Revocation on MySQL, on every node of it. */
import { revocationSuite } from "../helpers/revocation.ts";
import { createDatabase } from "./database.ts";

revocationSuite("MySQL", 2, async () => {
  const database = await createDatabase();
  return { url: database.url(), run: (sql) => database.query(sql) };
});
