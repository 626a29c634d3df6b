/** The code with which a batch is refused whose tokens the account's queue has no room for. */
export const QUOTA_FULL = "token_limit_exceeded";

/** The limit of enqueued tokens that a refusal names ("Limit: 900,000 enqueued tokens."); `null` where it names none. */
export function enqueuedLimit(message: string): number | null {
  const digits = /\blimit:?\s*(\d[\d,._\s]{0,20})\s*(?:enqueued )?tokens?\b/i.exec(message)?.[1]?.replace(/\D/g, "");
  const limit = digits === undefined ? Number.NaN : Number(digits);
  return Number.isSafeInteger(limit) && limit > 0 ? limit : null;
}
