import { createKey, createTenant } from "@slowboat/intake";
import { newId } from "@slowboat/kernel";
import { orm, postLedger, type Sql, table } from "@slowboat/store";
import type { testRng } from "@slowboat/testkit";

const HOUR_MS = 3_600_000;

export interface Seeding {
  readonly sql: Sql;
  readonly secret: string;
  readonly nowMs: number;
  readonly rng: ReturnType<typeof testRng>;
}

/** Who a page is opened for. */
export interface Seeded {
  readonly tenantId: string;
  readonly keyId: string;
  readonly key: string;
}

/** A tenant with a key and nothing else. */
export async function seedOwner({ sql, secret, nowMs, rng }: Seeding, name: string): Promise<Seeded> {
  const tenantId = await createTenant(sql, { name, nowMs, rng });
  const made = await createKey(sql, { tenantId, name: "test", secret, nowMs, rng });
  if (!made) throw new Error("a generated key is never there already");
  return { tenantId, keyId: made.keyId, key: made.key };
}

interface JobSeed {
  readonly state: "completed" | "failed" | "accepted";
  readonly lane?: string;
  readonly batchId?: string;
  readonly customId?: string;
  readonly error?: string;
  readonly acceptedAtMs: number;
  readonly deadlineAtMs?: number;
  readonly endedAtMs?: number;
  readonly waitReason?: string;
  /** Another model that answered, and what its translation changed. */
  readonly fallback?: { readonly name: string; readonly why: string; readonly notes: readonly string[] };
  /** Ledger entries of its settlement, in nano-USD. */
  readonly entries?: readonly (readonly [account: string, amountNano: bigint])[];
}

const decision = (lane: string, seed: JobSeed): string =>
  JSON.stringify({
    lane,
    model: "gpt-5-mini",
    role: "try",
    reason: "least expected cost: in hand before the rescue with 97 % (pays from 52 %)",
    decidedAtMs: seed.acceptedAtMs + 1_000,
    deadlineAtMs: seed.deadlineAtMs ?? null,
    latestStartAtMs: seed.deadlineAtMs === undefined ? null : seed.deadlineAtMs - 900_000,
    pricesVersion: "v",
    ...(seed.fallback === undefined ? {} : { fallback: seed.fallback }),
    candidates: [
      { lane: "pool", eligible: false, why: "does not serve the model", priceNano: null, expectedNano: null, inTime: null },
      { lane: "openai-batch", eligible: true, why: "in hand before the rescue with 97 %", priceNano: "225000", expectedNano: "238500", inTime: 0.97 },
      { lane: "openai", eligible: true, why: "no rescue behind it, in time with 100 %", priceNano: "450000", expectedNano: "450000", inTime: 1 },
    ],
  });

/** One job, with an attempt where it names a lane and its settlement where it names entries. */
export async function seedJob(seeding: Seeding, owner: Seeded, seed: JobSeed): Promise<string> {
  const { sql, rng } = seeding;
  const id = newId("job", seed.acceptedAtMs, rng);
  const attemptId = newId("attempt", seed.acceptedAtMs, rng);
  const lane = seed.lane ?? null;
  const common = { tenantId: owner.tenantId, jobId: id };
  await orm(sql)
    .insert(table.job)
    .values({
      id,
      tenantId: owner.tenantId,
      keyId: owner.keyId,
      surface: seed.batchId === undefined ? "native" : "openai",
      batchId: seed.batchId ?? null,
      lineNo: seed.batchId === undefined ? null : Number(seed.customId?.replace(/\D/g, "")),
      customId: seed.customId ?? null,
      endpoint: "/v1/chat/completions",
      provider: "openai",
      model: "gpt-5-mini",
      baselineModel: "gpt-5-mini",
      state: seed.state,
      lane,
      body: "{}",
      bodyBytes: 2,
      inputTokensEst: 1,
      outputTokensEst: 1,
      error: seed.error ?? null,
      waitReason: seed.waitReason ?? null,
      nextDecisionAtMs: seed.waitReason === undefined ? null : seeding.nowMs + 60_000,
      acceptedAtMs: seed.acceptedAtMs,
      deadlineAtMs: seed.deadlineAtMs ?? null,
      endedAtMs: seed.endedAtMs ?? null,
    });
  if (lane === null) return id;
  await orm(sql)
    .insert(table.attempt)
    .values({
      ...common,
      id: attemptId,
      seq: 1,
      lane,
      account: "openai",
      state: seed.entries === undefined ? "void" : "settled",
      role: "try",
      decision: decision(lane, seed),
      model: seed.fallback?.name ?? null,
      estimateNano: 225_000n,
      pricesVersion: "v",
      emulated: true,
      statusCode: seed.entries === undefined ? 400 : 200,
      errorCode: seed.entries === undefined ? "invalid_prompt" : null,
      usage: seed.entries === undefined ? null : JSON.stringify({ input: 800, cacheRead: 512, cacheWrite1h: 12, output: 94, reasoning: 40 }),
      createdAtMs: seed.acceptedAtMs + 1_000,
      answeredAtMs: seed.endedAtMs ?? null,
    });
  if (seed.entries === undefined) return id;
  const entries = seed.entries.map(([account, amountNano]) => ({ account, amountNano }));
  const settlement = { id: `settle:${attemptId}`, kind: "settle", attemptId, lane, model: "gpt-5-mini", pricesVersion: "v", digest: "d" } as const;
  await postLedger(sql, [{ ...settlement, ...common, emulated: true, priced: true, entries }], seed.endedAtMs ?? seed.acceptedAtMs);
  return id;
}

const batchRow = (seeding: Seeding, owner: Seeded, createdAtMs: number) => ({
  id: newId("batch", createdAtMs, seeding.rng),
  tenantId: owner.tenantId,
  keyId: owner.keyId,
  surface: "openai",
  endpoint: "/v1/chat/completions",
  inputBlobKey: "b",
  completionWindow: "24h",
  createdAtMs,
});

const BATCHED = [
  ["list", -450_000n],
  ["saving.batch", 225_000n],
  ["payable.openai", 225_000n],
] as const;

/** What `seedNight` made, by what a test looks for. */
export interface Night {
  readonly finished: string;
  readonly refused: string;
  readonly batched: string;
}

/** A night as it is: a batch that saved, a cached answer, a late one with waste, one failure, one that waits, and a refused batch. */
export async function seedNight(seeding: Seeding, owner: Seeded): Promise<Night> {
  const { sql, nowMs } = seeding;
  const finished = { ...batchRow(seeding, owner, nowMs - 3 * HOUR_MS), state: "completed", model: "gpt-5-mini", total: 2 };
  const refused = {
    ...batchRow(seeding, owner, nowMs - 2 * HOUR_MS),
    state: "failed",
    errors: JSON.stringify([
      { code: "invalid_json_line", message: "This line is not parseable as valid JSON.", param: null, line: 3 },
      { code: "duplicate_custom_id", message: "The custom_id 'city-2' was used on line 2 already.", param: "custom_id", line: 7 },
      {
        code: "model_not_found",
        message: "The model 'gpt-5-minii' has no price here; the nearest known is 'gpt-5-mini'.",
        param: "body.model",
        line: 12,
      },
    ]),
  };
  const deadlineAtMs = nowMs + HOUR_MS;
  await orm(sql)
    .insert(table.batch)
    .values([
      { ...finished, deadlineAtMs, endedAtMs: nowMs - HOUR_MS },
      { ...refused, deadlineAtMs, endedAtMs: nowMs - 2 * HOUR_MS },
    ]);
  const inBatch = { state: "completed", lane: "openai-batch", batchId: finished.id, acceptedAtMs: nowMs - 3 * HOUR_MS, deadlineAtMs } as const;
  const batched = await seedJob(seeding, owner, { ...inBatch, customId: "city-1", endedAtMs: nowMs - HOUR_MS, entries: BATCHED });
  await seedJob(seeding, owner, { ...inBatch, customId: "city-2", endedAtMs: nowMs - HOUR_MS, entries: BATCHED });
  await seedJob(seeding, owner, {
    state: "completed",
    lane: "openai",
    acceptedAtMs: nowMs - 2 * HOUR_MS,
    deadlineAtMs: nowMs - 1.5 * HOUR_MS,
    endedAtMs: nowMs - 1.4 * HOUR_MS,
    entries: [
      ["list", -450_000n],
      ["waste", -60_000n],
      ["payable.openai", 510_000n],
    ],
  });
  await seedJob(seeding, owner, {
    state: "completed",
    lane: "cache",
    acceptedAtMs: nowMs - HOUR_MS,
    deadlineAtMs,
    endedAtMs: nowMs - HOUR_MS,
    entries: [
      ["list", -450_000n],
      ["saving.cache", 450_000n],
    ],
  });
  const error = JSON.stringify({ code: "invalid-request", message: "The provider refused the prompt." });
  await seedJob(seeding, owner, {
    state: "failed",
    lane: "openai-batch",
    error,
    acceptedAtMs: nowMs - 600_000,
    deadlineAtMs,
    endedAtMs: nowMs - 60_000,
  });
  await seedJob(seeding, owner, { state: "accepted", acceptedAtMs: nowMs - 300_000, deadlineAtMs });
  return { finished: finished.id, refused: refused.id, batched };
}

/** What another model answered, and what waits; ids of both. */
export async function seedChain(seeding: Seeding, owner: Seeded): Promise<{ readonly answered: string; readonly waits: string }> {
  const acceptedAtMs = seeding.nowMs - HOUR_MS;
  const fallback = {
    name: "claude-haiku-4-5",
    why: "gpt-5-mini cannot answer (openai: its provider is failing; openai-batch: no rescue behind it)",
    notes: ["seed: is left out", "max_tokens: 8192 is added"],
  };
  const answered = await seedJob(seeding, owner, {
    state: "completed",
    lane: "anthropic",
    acceptedAtMs,
    endedAtMs: acceptedAtMs + 9_000,
    fallback,
    entries: BATCHED,
  });
  const waitReason = "openai-batch: least expected cost; waits for room: 900,000 of the 900,000 tokens that may be enqueued for gpt-5-mini are out";
  const waits = await seedJob(seeding, owner, { state: "accepted", acceptedAtMs, deadlineAtMs: seeding.nowMs + 9 * HOUR_MS, waitReason });
  return { answered, waits };
}

/** Work of three days ago and nothing since. */
export async function seedOld(seeding: Seeding, owner: Seeded): Promise<void> {
  const acceptedAtMs = seeding.nowMs - 72 * HOUR_MS;
  await seedJob(seeding, owner, { state: "completed", lane: "openai-batch", acceptedAtMs, endedAtMs: acceptedAtMs + HOUR_MS, entries: BATCHED });
}
