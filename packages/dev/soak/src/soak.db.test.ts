import { expect, test } from "vitest";
import { createProgress } from "./progress.ts";
import { runSoak } from "./run-soak.ts";
import { makeTasks } from "./workload.ts";

/** Mostly a minute; where a batch hangs that nothing rescues, the three of its day are waited for. */
const TEST_MS = 600_000;

test(
  "2,000 requests against a provider with every fault switched on lose nothing, double nothing and add up to its bill",
  async () => {
    const { results, findings } = await runSoak({ requests: 2_000, seed: 20, progress: createProgress(process.stderr) });
    expect(findings).toEqual([]);
    expect(results).toMatchObject({ requests: 2_000, lost: 0, doubled: 0, mismatched: 0 });
    expect(BigInt(String(results["ledger"])) + BigInt(String(results["suspense"]))).toBe(BigInt(String(results["invoice"])));
    // A quiet provider would prove nothing.
    expect(Object.keys(results["faults"] as object).length).toBeGreaterThan(25);
    expect(results["lost_replies"]).toBeGreaterThan(0);
    expect(results["matched"]).toBeGreaterThan(1_500);
  },
  TEST_MS,
);

test(
  "600 requests against answers that were recorded, with charges reckoned by hand, give the same: all answered, booked as charged, nothing in suspense",
  async () => {
    const { results, findings } = await runSoak({ requests: 600, seed: 21, provider: "recorded", progress: createProgress(process.stderr) });
    expect(findings).toEqual([]);
    expect(results).toMatchObject({ requests: 600, lost: 0, doubled: 0, mismatched: 0, suspense: "0" });
    expect(results["ledger"]).toBe(results["invoice"]);
    expect(results["matched"]).toBeGreaterThan(450);
  },
  TEST_MS,
);

test("a seed makes the same work every time, as many requests as asked, of every kind", () => {
  const tasks = makeTasks(2_000, 3);
  expect(JSON.stringify(makeTasks(2_000, 3))).toBe(JSON.stringify(tasks));
  expect(JSON.stringify(makeTasks(2_000, 4))).not.toBe(JSON.stringify(tasks));
  expect(tasks.reduce((sum, task) => sum + task.requests, 0)).toBe(2_000);
  expect(new Set(tasks.map((task) => task.kind)).size).toBe(4);
  expect(tasks.some((task) => task.kind === "call" && task.stream)).toBe(true);
});
