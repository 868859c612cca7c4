/** MySQL keeps the contract that SQLite and the simulator's fake keep, on its own tables and on MoosicBox's. */

import { openMysqlRegistry } from "../../adapters/registry/mysql.ts";
import type { Registry } from "../../adapters/registry/registry.ts";
import { credentialContract } from "../helpers/credential-contract.ts";
import { registryContract } from "../helpers/registry-contract.ts";
import { createDatabase, type Database } from "./database.ts";
import { CULVERT_TABLES, makeMoosicBoxTables, TABLES } from "./moosicbox-database.ts";

/** One database for all tests of a suite, emptied before each. */
function emptied(prepare: (database: Database) => Promise<void>): () => Promise<Registry> {
  let database: Database | undefined;
  return async () => {
    if (database === undefined) {
      database = await createDatabase();
      await prepare(database);
    }
    const registry = await openMysqlRegistry(database.settings(), () => {});
    for (const table of [...TABLES, ...CULVERT_TABLES]) await database.query(`DELETE FROM ${table}`);
    return registry;
  };
}

registryContract(
  "MySQL",
  emptied(async () => {}),
);

registryContract(
  "MySQL with tables of MoosicBox, case-insensitive and padded",
  emptied((database) => makeMoosicBoxTables(database, "utf8mb4 COLLATE utf8mb4_general_ci")),
);

credentialContract(
  "MySQL",
  emptied(async () => {}),
);
