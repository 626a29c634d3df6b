import { seededRng } from "@slowboat/kernel";
import { askOf, crossFit, expect, partsOf, routerOf } from "@slowboat/route";
import type { BenchOptions } from "../bench.ts";
import { percentile } from "../stats.ts";
import type { Labels } from "./labels.ts";

const LABELS = { full: 5_000, quick: 1_500 };
const PROMPT_BYTES = 4_096;
const WARM_UP = 500;
const ASKS = 3_000;

/** What routing one request costs in the hot path: features and all heads for a prompt of 4 kB, in ms. */
export function routeLatency(
  labels: Labels,
  prompts: readonly string[],
  { seed, quick }: Pick<BenchOptions, "seed" | "quick">,
): { readonly p50_ms: number; readonly p99_ms: number } {
  const rng = seededRng(seed);
  const order = partsOf(labels.examples.length, labels.examples.length, rng);
  const train = labels.examples.filter((_, i) => order[i]! < (quick ? LABELS.quick : LABELS.full));
  const router = routerOf(crossFit(train, labels.models.length, rng), train, { jobs: true });
  const asks = Array.from({ length: ASKS + WARM_UP }, () => {
    let text = "";
    while (text.length < PROMPT_BYTES) text += `${prompts[rng.u32() % prompts.length] ?? ""}\n`;
    return text.slice(0, PROMPT_BYTES);
  });
  const times: number[] = [];
  for (const prompt of asks) {
    const started = performance.now();
    expect(router, askOf(prompt, "abstract_algebra"));
    times.push(performance.now() - started);
  }
  const counted = times.slice(WARM_UP);
  return { p50_ms: percentile(counted, 0.5), p99_ms: percentile(counted, 0.99) };
}
