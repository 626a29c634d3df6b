import { writeFileSync } from "node:fs";
import { schemaFiles } from "./schema-files.ts";

// Writes the wire schemas: `npm run schemas -w @slowboat/compat`, to be run again when a client's version changes.
for (const [path, text] of schemaFiles()) writeFileSync(path, text);
