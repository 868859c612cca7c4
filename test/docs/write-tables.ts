/** `npm run docs:tables`: writes what in the documents follows from the code. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { documents, ROOT, readDocument } from "./documents.ts";
import { renewed } from "./generated.ts";

for (const file of documents()) {
  const text = readDocument(file);
  const now = renewed(text);
  if (now === text) continue;
  writeFileSync(join(ROOT, file), now);
  console.log(`wrote ${file}`);
}
