import { until } from "@slowboat/testkit";
import { afterEach, expect, test } from "vitest";
import { midWork } from "./testing/moments.ts";
import { PARTS } from "./testing/processes.ts";
import { type Run, startRun } from "./testing/run.ts";

const TEST_MS = 240_000;

let run: Run | undefined;

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") console.error(await run?.story());
  await run?.remove();
  run = undefined;
});

test(
  "killing every process in turn during 2,000 jobs loses no job, doubles no ledger entry and pays nothing unseen",
  async () => {
    run = await startRun();
    const { at, accepted } = run;
    for (const part of PARTS) {
      const already = accepted.jobs.length;
      const submitting = run.submit(part);
      if (part === "intake-api") await until(() => accepted.jobs.length > already + 5, "the intake is in the middle of it");
      else await midWork(at, part);
      const pid = await at.kill(part);
      await until(async () => at.replaced(part, pid), `${part} is back`, 20_000);
      await submitting;
    }
    expect(await run.findings(PARTS.length)).toEqual([]);
    expect(await at.stop()).toBe(0);
  },
  TEST_MS,
);

test(
  "kill -9 of all processes at once, twice in the middle of 1,000 jobs, and the next start finishes the work",
  async () => {
    run = await startRun();
    const { at } = run;
    for (const part of ["scheduler", "results-service"] as const) {
      await run.submit(`before-${part}`);
      await midWork(at, part);
      await at.killAll();
      await at.restart();
    }
    await run.submit("after");
    expect(await run.findings(3)).toEqual([]);
    expect(await at.stop()).toBe(0);
  },
  TEST_MS,
);
