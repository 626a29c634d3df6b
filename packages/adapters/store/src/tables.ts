import * as work from "./schema.ts";
import * as budgets from "./schema-budgets.ts";
import * as learned from "./schema-learned.ts";

/** Every table, by its name in TypeScript. */
export const table = { ...work, ...budgets, ...learned };
