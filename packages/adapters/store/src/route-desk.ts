import { deserialize, serialize } from "node:v8";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Policy } from "@slowboat/route";
import type { Sql } from "./connect.ts";
import { listRoutes, type RouteRow, readPolicy } from "./routes.ts";

/** An alias with what was learned for it. */
export interface StoredRoute {
  readonly alias: string;
  readonly candidates: readonly string[];
  readonly baseline: string;
  readonly quality: number;
  /** Share of its requests whose other candidates are asked as well, 0 to 1. */
  readonly shadow: number;
  readonly policyVersion: number;
  readonly policy: Policy | null;
}

/** A tenant's aliases by name, as this process last saw them. */
export type RouteBook = ReadonlyMap<string, StoredRoute>;

/** Reads tenants' aliases and policies, and remembers them for ten seconds; a policy is read again only when it has changed. */
export interface RouteDesk {
  /** `through` is the transaction that the caller holds, so that nobody who holds a connection waits for a second one. */
  load(tenantId: string, through?: Sql): Promise<RouteBook>;
  /** Reads a tenant's aliases anew the next time: this process has just changed them. */
  forget(tenantId: string): void;
}

const FORMAT = 1;
const KEPT_MS = 10_000;
const TENANTS_MAX = 200;

/** A policy, or anything that a label holds, as bytes of ours. */
export const packed = (value: unknown): Uint8Array => gzipSync(serialize({ format: FORMAT, value }), { level: 3 });

/** What `packed` packed; `null` for bytes of another format, which an older or newer version wrote. */
export function unpacked<T>(bytes: Uint8Array): T | null {
  const { format, value } = deserialize(gunzipSync(bytes)) as { readonly format: number; readonly value: T };
  return format === FORMAT ? value : null;
}

/** Makes the desk of one process. `nowMs` is machine time. */
export function openRouteDesk(sql: Sql, nowMs: () => number): RouteDesk {
  const known = new Map<string, { readonly book: Promise<RouteBook>; readonly untilMs: number; readonly last: RouteBook }>();
  const read = async (db: Sql, tenantId: string, last: RouteBook): Promise<RouteBook> => {
    const routes = new Map<string, StoredRoute>();
    for (const row of await listRoutes(db, tenantId)) routes.set(row.alias, await complete(db, tenantId, row, last.get(row.alias)));
    return routes;
  };
  const complete = async (db: Sql, tenantId: string, row: RouteRow, last: StoredRoute | undefined): Promise<StoredRoute> => {
    const { alias, baseline, quality, shadow, policyVersion } = row;
    const candidates = JSON.parse(row.candidates) as string[];
    if (last?.policyVersion === policyVersion) return { ...last, candidates, baseline, quality, shadow };
    const bytes = await readPolicy(db, { tenantId, alias });
    return { alias, candidates, baseline, quality, shadow, policyVersion, policy: bytes === null ? null : unpacked<Policy>(bytes) };
  };
  return {
    load: (tenantId, through = sql) => {
      const hit = known.get(tenantId);
      if (hit !== undefined && hit.untilMs > nowMs()) return hit.book;
      if (known.size >= TENANTS_MAX) known.clear();
      const last = hit?.last ?? new Map();
      const book = read(through, tenantId, last);
      known.set(tenantId, { book, untilMs: nowMs() + KEPT_MS, last });
      book.then(
        (routes) => {
          // What was forgotten meanwhile stays forgotten.
          if (known.get(tenantId)?.book === book) known.set(tenantId, { book, untilMs: nowMs() + KEPT_MS, last: routes });
        },
        // The next one asks again.
        () => known.delete(tenantId),
      );
      return book;
    },
    forget: (tenantId) => void known.delete(tenantId),
  };
}
