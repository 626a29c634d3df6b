import { bigint, customType, doublePrecision } from "drizzle-orm/pg-core";

/** Bytes as they are. */
export const bytea = customType<{ data: Uint8Array }>({ dataType: () => "bytea" });
/** An instant: whole Unix ms. */
export const instant = (name: string) => doublePrecision(name);
/** Money in nano-USD. */
export const nano = (name: string) => bigint(name, { mode: "bigint" });
