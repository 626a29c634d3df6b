const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** By what a question is about, how long its answer may be handed out; the first line that fits counts. */
const LIFE: readonly (readonly [RegExp, number])[] = [
  [/\b(?:now|at the moment|live|breaking|traffic|queue|waiting time|online|up or down|outage)\b/i, HOUR_MS / 4],
  [
    /\b(?:today|tonight|tomorrow|yesterday|weather|forecast|price|prices|rate|rates|stock|stocks|score|news|trending|available|availability|in stock)\b/i,
    HOUR_MS,
  ],
  [
    /\b(?:latest|newest|current|currently|recent|recently|this (?:week|month|year)|last (?:week|month|year)|next (?:week|month|year)|upcoming|version|release|schedule|opening hours|deal|offer)\b/i,
    DAY_MS,
  ],
  [/\b(?:president|minister|ceo|champion|record|ranking|law|tax|policy|fee|fees|limit|limits|population|salary|best|top)\b/i, 7 * DAY_MS],
];
const LASTING_MS = 30 * DAY_MS;

/** Milliseconds for which the answer of a question may be handed out: a quarter of an hour for what is live, thirty days for what no word says will change. */
export const ttlOf = (text: string): number => LIFE.find(([pattern]) => pattern.test(text))?.[1] ?? LASTING_MS;
