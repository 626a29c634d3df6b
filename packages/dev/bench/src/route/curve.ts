import type { Rng } from "@slowboat/kernel";

/** One fold's held-out rows: what each was scored (higher: rather the strong model), and what both models got. */
export interface Scored {
  readonly scores: ArrayLike<number>;
  readonly strong: ArrayLike<number>;
  readonly weak: ArrayLike<number>;
}

/** A router's curve in three figures; `cpt50` and `cpt80` are percent of strong calls. */
export interface Arm {
  readonly apgr: number;
  readonly cpt50: number;
  readonly cpt80: number;
}

const STEPS = 1_000;

/**
 * Quality recovered against the share of strong calls, the highest scores first. Within a fold the rows are ranked (ties in random order), the folds are added
 * up, so that every row of the file counts once. `apgr` is the area under the curve at 11 points, `cpt` the smallest share at which it is reached.
 */
export function armOf(folds: readonly Scored[], rng: Rng): Arm {
  const recovered = new Float64Array(STEPS + 1);
  let whole = 0;
  for (const { scores, strong, weak } of folds) {
    const rows = Array.from({ length: scores.length }, (_, i) => ({ i, score: scores[i]!, tie: rng.float() })).sort(
      (a, b) => b.score - a.score || a.tie - b.tie,
    );
    const gained = [0];
    for (const { i } of rows) gained.push(gained.at(-1)! + strong[i]! - weak[i]!);
    whole += gained.at(-1)!;
    for (let step = 0; step <= STEPS; step++) {
      const at = (step * rows.length) / STEPS;
      const low = Math.floor(at);
      recovered[step]! += gained[low]! + (at - low) * ((gained[low + 1] ?? gained[low]!) - gained[low]!);
    }
  }
  const curve = recovered.map((gain) => gain / whole);
  let area = 0;
  for (let tenth = 0; tenth < 10; tenth++) area += (curve[tenth * (STEPS / 10)]! + curve[(tenth + 1) * (STEPS / 10)]!) / 20;
  const reached = (share: number): number => (100 * curve.findIndex((value) => value >= share)) / STEPS;
  return { apgr: area, cpt50: reached(0.5), cpt80: reached(0.8) };
}

/** Mean of each figure over the repeats, and the spread of the area. */
export function meanArm(arms: readonly Arm[]): Arm & { readonly apgr_sd: number } {
  const mean = (of: (arm: Arm) => number): number => arms.reduce((sum, arm) => sum + of(arm), 0) / arms.length;
  const apgr = mean((arm) => arm.apgr);
  return { apgr, cpt50: mean((arm) => arm.cpt50), cpt80: mean((arm) => arm.cpt80), apgr_sd: Math.sqrt(mean((arm) => (arm.apgr - apgr) ** 2)) };
}
