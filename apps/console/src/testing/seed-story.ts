import type { Candidate, Decision, DelayDecision } from "@slowboat/contract";
import { newId } from "@slowboat/kernel";
import { addShadow, insertDelays, orm, table } from "@slowboat/store";
import { type Seeded, type Seeding, seedJob } from "./seed.ts";

const MINUTE_MS = 60_000;

/** A job on which much was decided, and who sees it. */
export interface Story {
  readonly owner: Seeded;
  readonly job: string;
}

const out = (lane: string, why: string): Candidate => ({ lane, eligible: false, why, priceNano: null, expectedNano: null, inTime: null });

const weighed = (batchInTime: number): readonly Candidate[] => [
  out("pool", "does not serve the model"),
  out("anthropic-batch", "denied by the request"),
  {
    lane: "openai-batch",
    eligible: true,
    why: `in hand before the rescue with ${Math.round(batchInTime * 100)} %`,
    priceNano: "225000",
    expectedNano: "238500",
    inTime: batchInTime,
    missed: 0.0004,
  },
  { lane: "openai-flex", eligible: true, why: "refused one time in ten", priceNano: "225000", expectedNano: "247500", inTime: 0.992, missed: 0.0011 },
  {
    lane: "openai",
    eligible: true,
    why: "no rescue behind it, in time with 100 %",
    priceNano: "450000",
    expectedNano: "450000",
    inTime: 1,
    missed: 0,
  },
];

const inputs = {
  inputTokens: 1_324,
  outputTokens: 94,
  tickMs: 1_000,
  scale: 1,
  batchLines: 40,
  lanes: [{ id: "openai-batch", queued: 312 }, { id: "openai-flex" }, { id: "openai" }],
  turnaround: { "openai-batch": { learnedAtMs: 0, seen: 58 } },
} as const;

/** A second policy has watched: most decisions were the same, some would have gone elsewhere, and one nowhere. */
async function seedShadow({ sql, nowMs }: Seeding, { tenantId }: Seeded): Promise<void> {
  const tally = (lane: string, shadowLane: string, decisions: number, [expectedNano, shadowExpectedNano]: readonly [bigint, bigint]) => ({
    ...{ tenantId, lane, shadowLane, decisions, expectedNano, shadowExpectedNano },
  });
  const tallies = [
    tally("openai-batch", "openai-batch", 1_180, [280_000_000n, 280_000_000n]),
    tally("openai-batch", "openai-flex", 70, [16_700_000n, 17_300_000n]),
    tally("openai", "openai-batch", 30, [13_500_000n, 7_200_000n]),
    tally("openai", "none", 1, [450_000n, 0n]),
  ];
  await addShadow(sql, { policy: '{"batchPatience":0.25}', nowMs: nowMs - 300 * MINUTE_MS, tallies });
}

/** Held for company, then for room, placed in a batch, called back from it and rescued in time. */
export async function seedStory(seeding: Seeding, owner: Seeded): Promise<Story> {
  const { sql, rng } = seeding;
  await seedShadow(seeding, owner);
  const arrivedAtMs = seeding.nowMs - 300 * MINUTE_MS;
  const deadlineAtMs = arrivedAtMs + 240 * MINUTE_MS;
  const latestStartAtMs = deadlineAtMs - 30 * MINUTE_MS;
  const after = (minutes: number): number => arrivedAtMs + minutes * MINUTE_MS;
  const endedAtMs = after(214);
  const job = await seedJob(seeding, owner, { state: "completed", acceptedAtMs: arrivedAtMs, deadlineAtMs, endedAtMs });
  const delay = (kind: DelayDecision["kind"], at: number, until: number, reason: string): DelayDecision => ({
    kind,
    role: "try",
    reason,
    decidedAtMs: after(at),
    untilMs: after(until),
    lane: "openai-batch",
    candidates: weighed(0.97),
    inputs,
  });
  const called: DelayDecision = {
    kind: "cancel",
    role: "rescue",
    reason: "the batch is not there at its latest start",
    decidedAtMs: after(209),
    untilMs: after(211),
    lane: null,
    candidates: [],
  };
  const records = [
    delay("hold", 0.1, 5, "openai-batch: waits for company until a batch is full or 5 minutes are over"),
    delay("quota", 5, 30, "openai-batch: waits for room: 900,000 of the 900,000 tokens that may be enqueued are out"),
    called,
  ];
  // One a call: a call's records are of one instant.
  for (const record of records) await insertDelays(sql, [{ jobId: job, record: JSON.stringify(record) }]);
  const placing = (seq: number, over: Pick<Decision, "lane" | "role" | "reason" | "candidates"> & { readonly at: number }) => {
    const { at, ...rest } = over;
    const decision: Decision = {
      ...rest,
      model: "gpt-5-mini",
      decidedAtMs: after(at),
      deadlineAtMs,
      latestStartAtMs: over.role === "try" ? latestStartAtMs : null,
      pricesVersion: "v",
      inputs,
    };
    return {
      id: newId("attempt", after(at), rng),
      tenantId: owner.tenantId,
      jobId: job,
      seq,
      lane: over.lane,
      account: "openai",
      state: over.role === "try" ? "void" : "settled",
      role: over.role,
      decision: JSON.stringify(decision),
      estimateNano: 225_000n,
      pricesVersion: "v",
      emulated: true,
      statusCode: over.role === "try" ? null : 200,
      usage: over.role === "try" ? null : JSON.stringify({ input: 800, output: 94 }),
      createdAtMs: after(at),
      answeredAtMs: over.role === "try" ? null : endedAtMs,
    };
  };
  const reason = "least expected cost: in hand before the rescue with 97 % (pays from 52 %)";
  const rescued = weighed(0).map((one) => (one.lane === "openai" ? one : out(one.lane, "cannot answer in what is left")));
  await orm(sql)
    .insert(table.attempt)
    .values([
      placing(1, { lane: "openai-batch", role: "try", reason, candidates: weighed(0.97), at: 30 }),
      placing(2, { lane: "openai", role: "rescue", reason: "the only lane that still makes the deadline", candidates: rescued, at: 211 }),
    ]);
  await sql`update job set lane = 'openai' where id = ${job}`;
  return { owner, job };
}
