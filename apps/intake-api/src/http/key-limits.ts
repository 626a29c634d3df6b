import { fault } from "@slowboat/kernel";
import { type AllowanceKind, type AllowanceStanding, allowedAfterMs, fillMs, goDuration, refusedBy } from "@slowboat/pace";
import { groupCommit, LEASE_MS } from "@slowboat/runtime";
import { endKeyCalls, type KeyAsk, type KeyGrant, renewKeyCalls, type Store, takeAllowances } from "@slowboat/store";
import type { Context } from "hono";
import type { AppEnv, KeyLimiter } from "./env.ts";
import { speaksAnthropic } from "./surface.ts";

/** Where the limits of keys are counted, over all processes: in Postgres, or in Redis where there is one. */
export interface AllowanceBook {
  /** Takes requests in order; one answer each. */
  take(asks: readonly KeyAsk[], at: { readonly realMs: number; readonly untilRealMs: number }): Promise<readonly KeyGrant[]>;
  end(ids: readonly string[]): Promise<void>;
  renew(ids: readonly string[], untilRealMs: number): Promise<void>;
}

/** The book in Postgres. */
export const postgresAllowances = (store: Store): AllowanceBook => ({
  take: (asks, at) => store.begin((tx) => takeAllowances(tx, asks, at)),
  end: (ids) => endKeyCalls(store.sql, ids),
  renew: (ids, untilRealMs) => renewKeyCalls(store.sql, ids, untilRealMs),
});

/**
 * Opens the limiter of one process. Requests that come together share one look at the book, so that a crowd pays few; a key without limits pays none, and no
 * limit is passed by asking several processes.
 */
export function keyLimiter(book: AllowanceBook, realMs: () => number): KeyLimiter {
  const take = groupCommit<KeyAsk, KeyGrant>(
    (asks) => {
      const nowMs = realMs();
      return book.take(asks, { realMs: nowMs, untilRealMs: nowMs + LEASE_MS });
    },
    { maxItems: 256, maxInFlight: 2 },
  );
  const open = new Set<string>();
  const leaving = new Set<Promise<unknown>>();
  const end = groupCommit<string, null>((ids) => book.end(ids).then(() => ids.map(() => null)), { maxItems: 256, maxInFlight: 1 });
  // A renewal that fails is tried again; calls of a process that cannot renew are counted no longer, which errs on the caller's side.
  const timer = setInterval(() => void book.renew([...open], realMs() + LEASE_MS).catch(() => undefined), LEASE_MS / 3);
  timer.unref();
  const leave = (id: string): void => {
    if (!open.delete(id)) return;
    const gone: Promise<unknown> = end(id)
      .catch(() => undefined)
      .finally(() => leaving.delete(gone));
    leaving.add(gone);
  };
  return {
    admit: async (c, { tokens, call }) => {
      const { keyId, limits } = c.get("caller");
      if (limits.requestsPerMinute === null && limits.tokensPerMinute === null && (limits.concurrency === null || !call)) return;
      const ask: KeyAsk = { id: c.get("requestId"), keyId, limits, tokens, call };
      const { granted, standing } = await take(ask);
      if (granted && call && limits.concurrency !== null) {
        open.add(ask.id);
        const { outgoing } = c.env;
        if (outgoing.closed || outgoing.destroyed) leave(ask.id);
        else outgoing.once("close", () => leave(ask.id));
      }
      c.set("limits", limitHeaders(c, ask, granted, standing, realMs()));
      if (!granted) throw refusal(ask, standing);
    },
    close: async () => {
      clearInterval(timer);
      for (const id of [...open]) leave(id);
      await Promise.all(leaving);
    },
  };
}

const WORDS: Record<AllowanceKind, string> = { requests: "requests per min (RPM)", tokens: "tokens per min (TPM)", concurrency: "calls at once" };

function refusal(ask: KeyAsk, standing: AllowanceStanding): Error {
  const { limits, keyId, tokens } = ask;
  const by = refusedBy(limits, standing, ask) ?? "requests";
  const limit = { requests: limits.requestsPerMinute, tokens: limits.tokensPerMinute, concurrency: limits.concurrency }[by] ?? 0;
  const requested = by === "tokens" ? tokens : 1;
  const used = by === "concurrency" ? standing.running : Math.max(0, Math.ceil(limit - standing[by]));
  const afterMs = allowedAfterMs(by, limits, standing, ask);
  const again = afterMs === null ? "It is larger than the limit and can never pass." : `Please try again in ${goDuration(afterMs)}.`;
  return fault("rate-limited", {
    message: `Rate limit reached for key ${keyId} on ${WORDS[by]}: Limit ${limit}, Used ${used}, Requested ${requested}. ${again}`,
    ...(afterMs === null ? {} : { retryAfterMs: afterMs }),
  });
}

/** What is left of the key's limits, in the headers of the API that was called. */
function limitHeaders(c: Context<AppEnv>, ask: KeyAsk, granted: boolean, standing: AllowanceStanding, nowMs: number): Record<string, string> {
  const headers: Record<string, string> = {};
  const taken = { requests: granted ? 1 : 0, tokens: granted ? ask.tokens : 0 };
  for (const name of ["requests", "tokens"] as const) {
    const limit = name === "requests" ? ask.limits.requestsPerMinute : ask.limits.tokensPerMinute;
    if (limit === null) continue;
    const left = standing[name] - taken[name];
    const fullMs = fillMs(limit - left, limit);
    const remaining = String(Math.max(0, Math.floor(left)));
    if (speaksAnthropic(c)) {
      headers[`anthropic-ratelimit-${name}-limit`] = String(limit);
      headers[`anthropic-ratelimit-${name}-remaining`] = remaining;
      headers[`anthropic-ratelimit-${name}-reset`] = new Date(nowMs + fullMs).toISOString();
    } else {
      headers[`x-ratelimit-limit-${name}`] = String(limit);
      headers[`x-ratelimit-remaining-${name}`] = remaining;
      headers[`x-ratelimit-reset-${name}`] = goDuration(fullMs);
    }
  }
  return headers;
}
