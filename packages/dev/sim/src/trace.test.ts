import { expect, test } from "vitest";
import { MIXES, replay, type TraceRow } from "./trace.ts";

const HOUR = 3_600_000;
const rows = (tenantOf: (i: number) => string): TraceRow[] =>
  Array.from({ length: 6_000 }, (_, i) => ({ arrivedAtMs: 5_000_000 + i * 600, inputTokens: 900, outputTokens: 130, tenant: tenantOf(i) }));
const shareOf = (jobs: readonly { readonly slackMs: number | null }[], slackMs: number): number =>
  jobs.filter((job) => job.slackMs === slackMs).length / jobs.length;

test("a trace is stretched to 48 hours, thinned in order, and deals its deadlines as the mix says", () => {
  const spec = replay(
    rows(() => ""),
    { mix: "mixed", poolShare: 0.35, draws: 4_000, seed: 1 },
  );
  expect(spec.jobs).toHaveLength(4_000);
  expect((spec.jobs.at(-1)?.arrivedAtMs ?? 0) - spec.startMs).toBeGreaterThan(47 * HOUR);
  expect((spec.jobs.at(-1)?.arrivedAtMs ?? 0) - spec.startMs).toBeLessThanOrEqual(48 * HOUR);
  for (const [i, job] of spec.jobs.entries()) if (i > 0) expect(job.arrivedAtMs).toBeGreaterThanOrEqual(spec.jobs[i - 1]?.arrivedAtMs ?? 0);
  expect(shareOf(spec.jobs, 24 * HOUR)).toBeCloseTo(MIXES.mixed[4], 1);
  expect(shareOf(spec.jobs, 30_000)).toBeCloseTo(MIXES.mixed[0], 1);
  expect(spec.jobs.filter((job) => job.model === "with-flex").length / 4_000).toBeCloseTo(0.5, 1);
});

test("where a trace names tenants each asks for deadlines of its own, and all together about for the mix", () => {
  const { jobs } = replay(
    rows((i) => `tenant-${i % 60}`),
    { mix: "mixed", poolShare: 0, draws: 6_000, seed: 1 },
  );
  const own = Array.from({ length: 60 }, (_, t) =>
    shareOf(
      jobs.filter((job) => job.tenant === `tenant-${t}`),
      24 * HOUR,
    ),
  );
  expect(Math.max(...own) - Math.min(...own)).toBeGreaterThan(0.3);
  expect(Math.abs(shareOf(jobs, 24 * HOUR) - MIXES.mixed[4])).toBeLessThan(0.08);
});

test("the same seed gives the same replay, another one another", () => {
  const one = replay(
    rows(() => ""),
    { mix: "overnight", poolShare: 0, draws: 500, seed: 3 },
  );
  expect(
    replay(
      rows(() => ""),
      { mix: "overnight", poolShare: 0, draws: 500, seed: 3 },
    ).jobs,
  ).toEqual(one.jobs);
  expect(
    replay(
      rows(() => ""),
      { mix: "overnight", poolShare: 0, draws: 500, seed: 4 },
    ).jobs,
  ).not.toEqual(one.jobs);
});
