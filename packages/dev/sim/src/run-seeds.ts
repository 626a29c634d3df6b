import type { Invariant } from "./audit.ts";
import { OURS } from "./policies.ts";
import { scenario } from "./scenario.ts";
import type { Plant, WorldSpec } from "./spec.ts";
import { type Outcome, runWorld } from "./world.ts";

/** What a run over seeds says: the contract of the command. `at` is Unix ms of job time. */
export interface SeedReport {
  readonly seeds: number;
  readonly jobs: number;
  readonly events: number;
  /** The first seed in which the planted bug broke its invariant; `null` without a plant or where it was not found. */
  readonly planted_found: number | null;
  readonly violations: readonly { readonly seed: number; readonly invariant: Invariant; readonly at: number; readonly why: string }[];
}

/** A world that breaks down is told by its seed. */
function live(spec: WorldSpec): Outcome {
  try {
    return runWorld(spec, OURS);
  } catch (cause) {
    throw new Error(`the world of seed ${spec.seed} broke down`, { cause });
  }
}

/** Lives through the worlds of these seeds with the house's own policy; with a plant it stops at the first violation. */
export function runSeeds(seeds: Iterable<number>, plant: Plant | null, say: (done: number) => void = () => {}): SeedReport {
  const violations: { seed: number; invariant: Invariant; at: number; why: string }[] = [];
  let done = 0;
  let jobs = 0;
  let events = 0;
  let found: number | null = null;
  for (const seed of seeds) {
    const spec = scenario(seed, plant);
    const outcome = live(spec);
    done++;
    jobs += spec.jobs.length;
    events += outcome.events;
    violations.push(...outcome.violations.map((violation) => ({ seed, ...violation })));
    say(done);
    if (plant !== null && outcome.violations.length > 0) {
      found = seed;
      break;
    }
  }
  return { seeds: done, jobs, events, planted_found: found, violations };
}
