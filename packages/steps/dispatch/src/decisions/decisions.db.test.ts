import type { Decision, DelayDecision } from "@slowboat/contract";
import { decide, restoreInputs, type Turnaround } from "@slowboat/plan";
import { listAttempts, listDelays, readJob, readLessons } from "@slowboat/store";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EVENING, HOUR, MINUTE, openWorld, type World } from "../testing/world.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(async () => await world.close());

const delaysOf = async (id: string): Promise<DelayDecision[]> => {
  const { sql } = world.database.store;
  const [row] = await sql<{ tenant_id: string }[]>`select tenant_id from job where id = ${id}`;
  return (await listDelays(sql, { tenantId: row?.tenant_id ?? "", jobId: id })).map((record) => JSON.parse(record) as DelayDecision);
};

/** Takes every stored placing of a job again, from its row, the price book and the lessons that were kept. */
async function replay(id: string): Promise<{ stored: Decision; again: Decision }[]> {
  const { sql } = world.database.store;
  const [owner] = await sql<{ tenant_id: string }[]>`select tenant_id from job where id = ${id}`;
  const tenantId = owner?.tenant_id ?? "";
  const job = await readJob(sql, { tenantId, id });
  if (job === null) throw new Error("no such job");
  const out: { stored: Decision; again: Decision }[] = [];
  for (const attempt of await listAttempts(sql, { tenantId, jobId: id })) {
    const stored = JSON.parse(attempt.decision) as Decision;
    if (stored.inputs === undefined) continue;
    const wanted = Object.entries(stored.inputs.turnaround ?? {}).map(([lane, one]) => ({ lane, learnedAtMs: one.learnedAtMs }));
    const lessons = await readLessons(sql, wanted);
    const facts = {
      ...job,
      book: world.planDeps.book,
      lessonOf: (lane: string, atMs: number) => {
        const row = lessons.find((one) => one.lane === lane && one.learnedAtMs === atMs);
        return row === undefined ? undefined : (JSON.parse(row.content) as Turnaround);
      },
    };
    const restored = restoreInputs(stored.inputs, facts);
    const verdict = decide(restored.job, restored.snapshot, stored.decidedAtMs);
    if (verdict.kind !== "place") throw new Error(`the replay refuses: ${verdict.message}`);
    out.push({ stored, again: verdict.decision });
  }
  return out;
}

test("a job that is placed at once leaves no row but its attempt's, and its decision can be taken again from what is stored", async () => {
  const [far] = await world.accept(30);
  const [urgent] = await world.accept(1, { deadlineAtMs: null });
  await world.look();
  const [{ n } = { n: -1 }] = await world.database.store.sql<{ n: number }[]>`select count(*)::int as n from delay where job_id = ${urgent ?? ""}`;
  expect(n).toBe(0);
  for (const id of [far, urgent]) {
    world.clock.advance(2 * MINUTE);
    await world.pass(world.clock.job() + 10 * MINUTE, MINUTE);
    const replays = await replay(id ?? "");
    expect(replays.length).toBeGreaterThan(0);
    for (const { stored, again } of replays) {
      expect(again).toMatchObject({ lane: stored.lane, reason: stored.reason, latestStartAtMs: stored.latestStartAtMs });
      // Markers for the prompt cache are put on afterwards; the candidates are decide's own.
      expect(again.candidates).toEqual(stored.candidates);
    }
  }
});

test("a job that waits for company says so once, with the placing that is put off, however often it is looked at", async () => {
  const [id = ""] = await world.accept(1);
  for (let i = 0; i < 6; i++) {
    await world.look();
    world.clock.advance(MINUTE);
  }
  const delays = await delaysOf(id);
  expect(delays).toHaveLength(1);
  expect(delays[0]).toMatchObject({ kind: "hold", lane: "openai-batch", role: "try" });
  expect(delays[0]?.candidates.map((one) => one.lane)).toContain("openai");
  expect(delays[0]?.inputs?.lanes.map((one) => one.id)).toContain("openai-batch");
  await world.pass(world.clock.job() + 20 * MINUTE, MINUTE);
  const [job] = await world.rows<{ state: string; delayed: string | null }>("job", "state, delayed");
  expect(job).toMatchObject({ delayed: null });
});

test("a batch that is called back for a rescue leaves the reason with its lines, and the rescue's own decision after it", async () => {
  await world.close();
  world = await openWorld({ batchTurnaroundMs: 2 * 24 * HOUR });
  const [id = ""] = await world.accept(3, { deadlineAtMs: EVENING + 3 * HOUR, lanesAllow: ["openai-batch", "openai"] });
  await world.pass(EVENING + 3 * HOUR, 2 * MINUTE);
  const kinds = (await delaysOf(id)).map((one) => one.kind);
  const replays = await replay(id);
  expect(replays.length).toBeGreaterThan(1);
  for (const { stored, again } of replays) expect(again.lane).toBe(stored.lane);
  expect(kinds.some((kind) => kind === "cancel" || kind === "wait")).toBe(true);
});

test("a job that no lane takes is refused with every lane that was looked at", async () => {
  const [id = ""] = await world.accept(1, { maxCostNano: 1n });
  await world.look();
  const [last] = (await delaysOf(id)).slice(-1);
  expect(last).toMatchObject({ kind: "refuse", lane: null, untilMs: null });
  expect(last?.candidates.every((one) => !one.eligible)).toBe(true);
  expect(last?.candidates.length).toBeGreaterThan(1);
});
