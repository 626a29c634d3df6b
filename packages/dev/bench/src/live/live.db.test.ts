import { expect, test } from "vitest";
import { runLive } from "./bench-live.ts";

const TEST_MS = 600_000;

test(
  "a few hundred jobs cost the running stack about what the simulator says, and all of them end",
  async () => {
    const size = { jobs: 250, scale: 60, spanMs: 1_800_000, longestMs: 3_600_000, seed: 4 };
    const { live, simulated, unfinished, apart } = await runLive(size, () => undefined);
    expect(unfinished).toBe(0);
    expect(live.paidNano).toBeGreaterThan(0n);
    expect(simulated.paidNano).toBeGreaterThan(0n);
    expect([...live.lanes.values()].reduce((sum, nano) => sum + nano, 0n)).toBe(live.paidNano);
    // A fifth of the jobs and an hour at most: few batches, and each of them weighs. The command holds 2,000 jobs to a twentieth.
    expect(Math.abs(apart)).toBeLessThan(0.3);
  },
  TEST_MS,
);
