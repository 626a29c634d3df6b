import { assert, type Rng } from "@slowboat/kernel";

/** True with chance `epsilon` (0 to 1): this decision is not acted on but carried out the dear way, so that its outcome is learned. One throw of the dice. */
export function shouldExplore(rng: Rng, epsilon: number): boolean {
  assert(epsilon >= 0 && epsilon <= 1, "a chance lies between 0 and 1");
  return rng.float() < epsilon;
}
