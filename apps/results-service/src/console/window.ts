const HOUR_MS = 3_600_000;

/** The windows that the console offers, in hours of job time; `all` has no start. */
const WINDOWS = { "24h": 24, "7d": 24 * 7, all: null } as const;

export type WindowKey = keyof typeof WINDOWS;

const startOf = (key: WindowKey, nowMs: number): number => {
  const hours = WINDOWS[key];
  return hours === null ? 0 : nowMs - hours * HOUR_MS;
};

/**
 * The window asked for, or, when none was, the narrowest that holds what was done last: under an accelerated clock a day of job time
 * is over in minutes, and a page that says nothing then says the wrong thing.
 */
export function chooseWindow(asked: string | undefined, facts: { readonly nowMs: number; readonly newestAtMs: number | null }) {
  const known = Object.keys(WINDOWS) as WindowKey[];
  const chosen = known.find((key) => key === asked);
  const fitting = known.find((key) => facts.newestAtMs === null || facts.newestAtMs >= startOf(key, facts.nowMs)) ?? "all";
  const key = chosen ?? fitting;
  return { key, chosen: chosen !== undefined, sinceMs: startOf(key, facts.nowMs) };
}
