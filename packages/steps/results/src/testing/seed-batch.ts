import { newId, type Rng } from "@slowboat/kernel";
import type { Clock } from "@slowboat/runtime";
import { orm, type Sql, table } from "@slowboat/store";
import type { TestTenant } from "@slowboat/testkit";

/** How a line stands, and the attempt it has, if any. */
export interface SeededLine {
  readonly state: "completed" | "failed" | "cancelled" | "placed";
  readonly status?: number;
  /** The text of a settled answer, with its result; or of an attempt in the state that `attempt` names, without one. */
  readonly answer?: string;
  readonly attempt?: "intent" | "sending" | "placed" | "answered" | "unknown";
  readonly error?: string;
}

/** What a seeded batch is made with. */
export interface Seeding {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly owner: TestTenant;
}

interface Shape {
  readonly state?: string;
  readonly surface?: "openai" | "anthropic";
  readonly inputFileId?: string | null;
}

/** Writes a batch whose lines stand as told (`c-1`, `c-2`, …) and returns its id. What has ended, ended just now. */
export async function seedBatch(with_: Seeding, lines: readonly SeededLine[], shape: Shape = {}): Promise<string> {
  const { sql, clock, rng, owner } = with_;
  const batchId = newId("batch", clock.job(), rng);
  const surface = shape.surface ?? "openai";
  await orm(sql)
    .insert(table.batch)
    .values({
      id: batchId,
      ...owner,
      surface,
      endpoint: "/v1/chat/completions",
      state: shape.state ?? "in_progress",
      inputBlobKey: `${owner.tenantId}/${batchId}-in`,
      inputFileId: shape.inputFileId ?? null,
      completionWindow: "24h",
      callbackUrl: "https://example.com/hook",
      total: lines.length,
      createdAtMs: clock.job(),
    });
  for (const [index, line] of lines.entries()) await seedLine(with_, { batchId, surface, lineNo: index + 1 }, line);
  return batchId;
}

/** Writes a job, of a batch or single, with its attempt and result; returns the ids of both. */
export async function seedLine(
  { sql, clock, rng, owner }: Seeding,
  at: { readonly batchId: string | null; readonly surface: string; readonly lineNo: number | null },
  line: SeededLine,
): Promise<{ jobId: string; attemptId: string }> {
  const nowMs = clock.job();
  const jobId = newId("job", nowMs, rng);
  const attemptId = newId("attempt", nowMs, rng);
  const state = line.attempt ?? "settled";
  await orm(sql)
    .insert(table.job)
    .values({
      id: jobId,
      ...owner,
      ...at,
      customId: at.lineNo === null ? null : `c-${at.lineNo}`,
      endpoint: "/v1/chat/completions",
      provider: "openai",
      model: "gpt-5-mini",
      baselineModel: "gpt-5-mini",
      state: line.state,
      body: "{}",
      bodyBytes: 2,
      inputTokensEst: 1,
      outputTokensEst: 1,
      acceptedAtMs: nowMs,
      endedAtMs: line.state === "placed" ? null : nowMs,
      error: line.error ?? null,
      attemptId: line.answer === undefined && line.attempt === undefined ? null : attemptId,
    });
  if (line.answer === undefined && line.attempt === undefined) return { jobId, attemptId };
  await orm(sql)
    .insert(table.attempt)
    .values({
      id: attemptId,
      jobId,
      tenantId: owner.tenantId,
      seq: 1,
      lane: "openai",
      account: "a",
      state,
      role: "try",
      decision: "{}",
      pricesVersion: "v",
      emulated: true,
      answer: line.answer ?? null,
      statusCode: line.answer === undefined ? null : (line.status ?? 200),
      requestId: "req_1",
      createdAtMs: nowMs,
      answeredRealMs: state === "answered" ? clock.real() : null,
    });
  if (state !== "settled") return { jobId, attemptId };
  await orm(sql)
    .insert(table.result)
    .values({
      jobId,
      tenantId: owner.tenantId,
      attemptId,
      source: "lane",
      statusCode: line.status ?? 200,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + 86_400_000,
    });
  return { jobId, attemptId };
}
