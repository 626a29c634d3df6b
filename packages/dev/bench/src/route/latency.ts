import { seededRng } from "@slowboat/kernel";
import { askOf, partsOf, route, seenOf, trainPolicy } from "@slowboat/route";
import type { BenchOptions } from "../bench.ts";
import { percentile } from "../stats.ts";
import type { Labels } from "./labels.ts";

const LABELS = { full: 5_000, quick: 1_500 };
const PROMPT_BYTES = 4_096;
const WARM_UP = 500;
const ASKS = 3_000;
const ALPHA = 0.05;

/** What routing one request costs. */
export interface Latency {
  readonly p50_ms: number;
  readonly p90_ms: number;
  readonly p99_ms: number;
  readonly candidates: number;
  readonly labels: number;
}

/** What routing one request costs in the hot path, in ms: from a parsed request of 4 kB to the choice with its reasons, as intake asks for it. */
export function routeLatency(labels: Labels, prompts: readonly string[], { seed, quick }: Pick<BenchOptions, "seed" | "quick">): Latency {
  const rng = seededRng(seed);
  const order = partsOf(labels.examples.length, labels.examples.length, rng);
  const known = labels.examples.filter((_, i) => order[i]! < (quick ? LABELS.quick : LABELS.full));
  const train = known.map((example) => ({ ...example, answers: new Map(), weight: 1 }));
  const places = labels.models.map((_, m) => m);
  const policy = trainPolicy(train, { models: labels.models, costs: places.map((m) => 1 / (m + 1)), alpha: ALPHA }, rng);
  const times: number[] = [];
  for (let no = 0; no < ASKS + WARM_UP; no++) {
    let text = "";
    while (text.length < PROMPT_BYTES) text += `${prompts[rng.u32() % prompts.length] ?? ""}\n`;
    const value = { model: "auto", messages: [{ role: "user", content: text.slice(0, PROMPT_BYTES) }] };
    const started = performance.now();
    const seen = seenOf(value);
    if (seen !== null) route(policy, askOf(seen.ask, seen.job), places, true);
    times.push(performance.now() - started);
  }
  const counted = times.slice(WARM_UP);
  const at = (p: number): number => percentile(counted, p);
  return { p50_ms: at(0.5), p90_ms: at(0.9), p99_ms: at(0.99), candidates: labels.models.length, labels: train.length };
}
