import type { PoolAhead, PoolView } from "@slowboat/plan";

const MINUTE_MS = 60_000;

/** The pool's line as one look of the planner sees it: what was there at its beginning, and what it has put there itself. */
export interface PoolLine {
  /** The pool for the next decision. */
  view(): PoolView;
  /** A job of so many tokens went into the line; `dueAtMs` is its deadline, or for urgent work the instant of its acceptance. */
  add(dueAtMs: number, tokens: number): void;
}

/** Opens the line on what waits and runs there, by the minute in which it is due. */
export function openPoolLine(tokensPerSecond: number, rows: readonly { readonly minute: number; readonly tokens: number }[]): PoolLine {
  const byMinute = new Map(rows.map(({ minute, tokens }) => [minute, tokens]));
  let ahead: readonly PoolAhead[] | null = null;
  const line = (): readonly PoolAhead[] => {
    let sum = 0;
    ahead ??= [...byMinute]
      .sort(([a], [b]) => a - b)
      .map(([minute, tokens]) => {
        sum += tokens;
        return { untilMs: minute * MINUTE_MS, tokens: sum };
      });
    return ahead;
  };
  return {
    view: () => {
      const known = line();
      return { tokensPerSecond, backlogTokens: known.at(-1)?.tokens ?? 0, ahead: known };
    },
    add: (dueAtMs, tokens) => {
      const minute = Math.floor(dueAtMs / MINUTE_MS);
      byMinute.set(minute, (byMinute.get(minute) ?? 0) + tokens);
      ahead = null;
    },
  };
}
