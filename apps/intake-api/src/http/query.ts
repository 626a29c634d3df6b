import { fault, type IdKind, isId } from "@slowboat/kernel";
import type { Context } from "hono";
import type { AppEnv } from "./env.ts";

/** Reads `limit` within 1 and `max`. */
export function pageLimit(c: Context<AppEnv>, standard: number, max: number): number {
  const text = c.req.query("limit");
  if (text === undefined) return standard;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > max) throw fault("invalid-request", { param: "limit", message: `'limit' must be a whole number from 1 to ${max}.` });
  return limit;
}

/** Reads the cursor `after`, the id of the last object seen. */
export function pageAfter(c: Context<AppEnv>, kinds: readonly IdKind[]): { after?: string } {
  const after = c.req.query("after");
  if (after === undefined || after === "") return {};
  if (!kinds.some((kind) => isId(kind, after)))
    throw fault("invalid-request", { param: "after", message: "'after' must be the id of an object of this list." });
  return { after };
}

/** A page in the shape that both list endpoints and the SDK's cursor pages know. `rows` may hold one row more than `limit`. */
export function pageObject<T extends { id: string }>(rows: readonly T[], limit: number, show: (row: T) => unknown): Record<string, unknown> {
  const page = rows.slice(0, limit);
  return { object: "list", data: page.map(show), first_id: page[0]?.id ?? null, last_id: page.at(-1)?.id ?? null, has_more: rows.length > limit };
}
