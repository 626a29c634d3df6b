/** How another candidate's answer stands to the baseline's. */
export interface Relation {
  readonly to: "same" | "better" | "worse" | "different";
  /** `exact` and `structure` compare what is written, `meaning` vectors, `judge` is another model's word. */
  readonly by: "exact" | "structure" | "meaning" | "judge";
}

/** What comparing a pair's answers has shown; kept as JSON, without a word of the answers. */
export interface Relations {
  /** Who gave the answer that the caller has; `null` where it is none of the candidates. */
  readonly given: string | null;
  /** By the other candidates' names. */
  readonly of: Readonly<Record<string, Relation>>;
}

/**
 * Grades out of relations, 0 to 1 by model. The baseline is the measure and has 1, unless another answer was found better; who says the same has its grade.
 * A user's word (`said`) replaces the grade of the answer that the user was given, and of those that say the very same; `null` for none.
 */
export function scoresOf(baseline: string, { given, of }: Relations, said: number | null): Record<string, number> {
  const others = Object.entries(of);
  const measure = others.some(([, { to }]) => to === "better") ? 0 : 1;
  const scores: Record<string, number> = { [baseline]: measure };
  for (const [name, { to }] of others) scores[name] = to === "same" ? measure : to === "better" ? 1 : 0;
  if (said === null || given === null || scores[given] === undefined) return scores;
  const twins = [baseline, ...others.flatMap(([name, { to, by }]) => (to === "same" && by === "exact" ? [name] : []))];
  for (const name of twins.includes(given) ? twins : [given]) scores[name] = said;
  return scores;
}

/** What the given answer lost against the baseline's, 0 to 1; `null` where it is none of the candidates'. */
export function lostOf(baseline: string, { given }: Relations, scores: Readonly<Record<string, number>>): number | null {
  const [measure, score] = [scores[baseline], given === null ? undefined : scores[given]];
  return measure === undefined || score === undefined ? null : Math.max(0, measure - score);
}
