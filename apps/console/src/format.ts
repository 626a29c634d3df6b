/** `"198940480"` nano-USD → `"$0.19894048"`: exact, at least two decimals; bigint throughout. */
export function usd(nano: bigint): string {
  const digits = (nano < 0n ? -nano : nano).toString().padStart(10, "0");
  const decimals = digits.slice(-9).replace(/0+$/, "").padEnd(2, "0");
  return `${nano < 0n ? "−" : ""}$${digits.slice(0, -9)}.${decimals}`;
}

/** Share of `part` in `whole` as `"38.2 %"`. */
export const percent = (part: bigint, whole: bigint): string => (whole === 0n ? "0 %" : `${Number((part * 1000n) / whole) / 10} %`);

/** A length of time in words, its two largest units: `"3 h 20 min"`. */
export function length(ms: number): string {
  const minutes = Math.round(Math.abs(ms) / 60_000);
  if (minutes < 1) return "under a minute";
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** An instant relative to now. */
export const relative = (atMs: number, nowMs: number): string => (atMs > nowMs ? `in ${length(atMs - nowMs)}` : `${length(nowMs - atMs)} ago`);

export const exact = (atMs: number): string => new Date(atMs).toISOString().replace("T", " ").slice(0, 19).concat(" UTC");

const NAMES: Record<string, string> = {
  list: "list price",
  "saving.cache": "cache and dedupe",
  "saving.routing": "model routing",
  "saving.context": "context",
  "saving.batch": "batch lanes",
  "saving.flex": "flex",
  "saving.pool": "own pool",
  "saving.prompt-cache": "prompt cache",
  waste: "waste",
};

/** What an account is called where people read it. */
export const accountName = (account: string): string => NAMES[account] ?? account;
