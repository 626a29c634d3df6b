import { laneClass } from "@slowboat/contract";
import { createLanes, type Lane } from "@slowboat/lanes";
import { testRng } from "@slowboat/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createGate, planDue, runBatchDispatch, runCallDispatch } from "./index.ts";
import { PARKING } from "./testing/parking.ts";
import { HOUR, openWorld, type World } from "./testing/world.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const { signal } = new AbortController();

interface Seen {
  readonly lane: string;
  readonly state: string;
  readonly code: string | null;
  readonly outcome: string | null;
}
const attemptsOf = async (jobId: string): Promise<Seen[]> => [
  ...(await world.database.store.sql<Seen[]>`select lane, state, error_code as code, outcome from attempt where job_id = ${jobId} order by seq`),
];

/** The world with lanes that know of no trouble yet, and one look of its scheduler; `width` calls at a time. */
function freshLanes(width = 16) {
  const { url } = world.emulator;
  const lanes = createLanes({
    openai: { apiKey: "sk-test", baseURL: `${url}/v1` },
    anthropic: { apiKey: "sk-test", baseURL: url },
    emulated: true,
    clock: world.clock,
    pace: { rng: testRng(3), nowMs: world.clock.real, waitMsMax: 0 },
  });
  const offers = [...lanes.values()].map((lane: Lane) => ({ id: lane.id, account: lane.account, emulated: true, concurrency: 16, pace: lane.pace }));
  const gate = createGate(width);
  const look = async (): Promise<void> => {
    await planDue({ ...world.planDeps, lanes: offers }, signal);
    const rows = await world.database.store.sql<{ id: string; lane: string }[]>`select id, lane from dispatch where state in ('queued', 'running')`;
    for (const { id, lane } of rows) {
      if (laneClass(lane) === "batch") await runBatchDispatch({ ...world.laneDeps, lanes }, id, signal);
      else await runCallDispatch({ ...world.laneDeps, lanes }, () => gate, id, signal);
    }
  };
  return { lanes, look };
}

const jobFor = (provider: "openai" | "anthropic") =>
  provider === "openai"
    ? { deadlineAtMs: null, lanesAllow: ["openai"] }
    : {
        deadlineAtMs: null,
        lanesAllow: ["anthropic"],
        provider,
        endpoint: "/v1/messages",
        model: "claude-haiku-4-5",
        baselineModel: "claude-haiku-4-5",
      };

describe("queued work on an account that refuses everything", () => {
  test("parks the lane for every job, whatever the code, in this process and for all others", async () => {
    for (const [provider, status, body] of PARKING) {
      const said = `${provider} ${status} ${JSON.stringify(body)}`;
      const { lanes, look } = freshLanes();
      world.emulator.addFaults({ match: { path: provider === "openai" ? "/v1/chat/completions" : "/v1/messages" }, status, body });
      const [first] = await world.accept(1, jobFor(provider));
      await look();
      expect(await attemptsOf(first as string), said).toMatchObject([{ lane: provider, state: "void", outcome: "parked" }]);
      expect(lanes.get(provider)?.pace?.().parkedMs, said).toBeGreaterThan(0);
      const [second] = await world.accept(1, jobFor(provider));
      await look();
      await freshLanes().look();
      expect(await attemptsOf(second as string), `${said}: another job`).toEqual([]);
      await world.database.store.sql`update job set state = 'cancelled', next_decision_at_ms = null`;
      await world.database.store.sql`delete from lane_parking`;
    }
    expect((await world.emulator.invoice()).lines).toEqual([]);
  });

  test("told by the batch lane keeps its real-time lanes from being used, too", async () => {
    const { lanes, look } = freshLanes();
    world.emulator.addFaults({ match: { method: "POST", path: "/v1/batches" }, preset: "insufficient-quota" });
    const [job] = await world.accept(1, { lanesAllow: ["openai-batch"] });
    world.clock.advance(HOUR / 4);
    await look();
    expect(await attemptsOf(job as string)).toMatchObject([{ lane: "openai-batch", outcome: "parked" }]);
    expect(lanes.get("openai")?.pace?.().parkedMs).toBeGreaterThan(0);
    const [urgent] = await world.accept(1, jobFor("openai"));
    await look();
    expect(await attemptsOf(urgent as string)).toEqual([]);
    world.clock.advance(HOUR);
    await look();
    expect(await attemptsOf(urgent as string)).toMatchObject([{ lane: "openai", state: "answered" }]);
  });
});

test("work held back behind an open breaker was never sent, waits while it is open, and is answered after it", async () => {
  // One call at a time, so that the fifth failure is known before the sixth call.
  const { lanes, look } = freshLanes(1);
  world.emulator.addFaults({ match: { path: "/v1/chat/completions" }, preset: "html-502", times: 5 });
  const jobs = await world.accept(8, jobFor("openai"));
  await look();
  const seen = (await Promise.all(jobs.map(attemptsOf))).flat();
  expect(seen.map((one) => one.code).sort()).toEqual([...Array(3).fill("circuit_open"), ...Array(5).fill("http_502")]);
  expect(seen.every((one) => one.state === "void" && one.outcome === "refused")).toBe(true);
  expect(lanes.get("openai")?.pace?.().models.get("gpt-5-mini")?.breaker).toBe("open");
  const [late] = await world.accept(1, jobFor("openai"));
  await look();
  expect(await attemptsOf(late as string)).toEqual([]);
  for (let n = 0; n < 10; n++) {
    world.clock.advance(60_000);
    await look();
  }
  const answered = await world.database.store.sql`select 1 from attempt where state = 'answered'`;
  expect(answered).toHaveLength(9);
  expect((await world.emulator.invoice()).lines).toHaveLength(9);
});
