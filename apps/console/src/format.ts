const abs = (amount: bigint): bigint => (amount < 0n ? -amount : amount);
const digitsOf = (nano: bigint): string => abs(nano).toString().padStart(10, "0");

/** How many decimals show every one of these nano-USD amounts to its last digit: from 2 to 9. A column is written with one number of them. */
export const decimalsOf = (amounts: readonly bigint[]): number =>
  amounts.reduce((most, nano) => Math.max(most, digitsOf(nano).slice(-9).replace(/0+$/, "").length), 2);

/** `"198940480"` nano-USD → `"$0.19894048"`: exact, thousands apart, with at least `decimals` of them; bigint throughout. */
export function usd(nano: bigint, decimals = 2): string {
  const digits = digitsOf(nano);
  const whole = digits.slice(0, -9).replace(/\B(?=(\d{3})+$)/g, ",");
  const part = digits.slice(-9).slice(0, Math.max(decimals, decimalsOf([nano])));
  return `${nano < 0n ? "−" : ""}$${whole}.${part}`;
}

/** An amount that is taken off or put on: with its sign, whichever it is. */
export const signedUsd = (nano: bigint, decimals: number): string => `${nano > 0n ? "+" : ""}${usd(nano, decimals)}`;

/** Share of `part` in `whole` with one decimal, rounded to the nearest and signed as `part` is: `"−38.2 %"`. */
export function percent(part: bigint, whole: bigint): string {
  if (whole === 0n) return "0.0 %";
  const tenths = (abs(part) * 2000n + abs(whole)) / (abs(whole) * 2n);
  return `${part < 0n && tenths > 0n ? "−" : ""}${tenths / 10n}.${tenths % 10n} %`;
}

/** A count with its thousands apart. */
export const count = (number: number): string => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

/** `"1 batch"`, `"2 batches"`. */
export const counted = (number: number, one: string, many = `${one}s`): string => `${count(number)} ${number === 1 ? one : many}`;

/** A length of time in words, its two largest units: `"3 h 20 min"`, `"2 d"`. */
export function length(ms: number): string {
  const minutes = Math.round(Math.abs(ms) / 60_000);
  if (minutes < 1) return "under a minute";
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  const [large, small] = hours < 48 ? [`${hours} h`, `${minutes % 60} min`] : [`${Math.floor(hours / 24)} d`, `${hours % 24} h`];
  return small.startsWith("0 ") ? large : `${large} ${small}`;
}

/** An instant relative to now. */
export const relative = (atMs: number, nowMs: number): string => (atMs > nowMs ? `in ${length(atMs - nowMs)}` : `${length(nowMs - atMs)} ago`);

/** `"2026-11-28 16:23:06 UTC"`. */
export const exact = (atMs: number): string => new Date(atMs).toISOString().replace("T", " ").slice(0, 19).concat(" UTC");

/** `"in_progress"` → `"in progress"`. */
export const words = (name: string): string => name.replaceAll("_", " ");

/** An id with its middle left out. */
export const shortId = (id: string): string => (id.length <= 20 ? id : `${id.slice(0, id.search(/[_-]/) + 5)}…${id.slice(-6)}`);

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

/** How something stands against its deadline, and whether that is bad. */
export function deadlineWords(
  item: { readonly state: string; readonly deadlineAtMs: number | null; readonly endedAtMs: number | null },
  nowMs: number,
): { readonly text: string; readonly tone: "plain" | "good" | "bad" } {
  const { state, deadlineAtMs, endedAtMs } = item;
  if (deadlineAtMs === null) return { text: "none", tone: "plain" };
  if (endedAtMs !== null && endedAtMs > deadlineAtMs) return { text: `missed by ${length(endedAtMs - deadlineAtMs)}`, tone: "bad" };
  if (state === "failed" || state === "cancelled") return { text: `${state}, without an answer`, tone: "plain" };
  if (endedAtMs !== null) return { text: `met, ${length(deadlineAtMs - endedAtMs)} to spare`, tone: "good" };
  return deadlineAtMs >= nowMs
    ? { text: relative(deadlineAtMs, nowMs), tone: "plain" }
    : { text: `missed, late by ${length(nowMs - deadlineAtMs)}`, tone: "bad" };
}
