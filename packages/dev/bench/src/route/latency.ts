import { seededRng } from "@slowboat/kernel";
import { crossFit, expect, gramsOf, lexicalOf, partsOf, routerOf } from "@slowboat/route";
import { percentile } from "../stats.ts";
import type { Labels } from "./labels.ts";

const LABELS = 5_000;
const PROMPT_BYTES = 4_096;
const WARM_UP = 500;
const ASKS = 3_000;

/** What routing one request costs in the hot path: features and all heads for a prompt of 4 kB, in ms. */
export function routeLatency(labels: Labels, prompts: readonly string[], seed: number): { readonly p50_ms: number; readonly p99_ms: number } {
  const rng = seededRng(seed);
  const order = partsOf(labels.examples.length, labels.examples.length, rng);
  const train = labels.examples.filter((_, i) => order[i]! < LABELS);
  const router = routerOf(crossFit(train, labels.models.length, rng), train, { jobs: true });
  const asks = Array.from({ length: ASKS + WARM_UP }, () => {
    let text = "";
    while (text.length < PROMPT_BYTES) text += `${prompts[rng.u32() % prompts.length] ?? ""}\n`;
    return text.slice(0, PROMPT_BYTES);
  });
  const times: number[] = [];
  for (const prompt of asks) {
    const started = performance.now();
    expect(router, { grams: gramsOf(prompt), lexical: lexicalOf(prompt), job: "abstract_algebra" });
    times.push(performance.now() - started);
  }
  const counted = times.slice(WARM_UP);
  return { p50_ms: percentile(counted, 0.5), p99_ms: percentile(counted, 0.99) };
}
