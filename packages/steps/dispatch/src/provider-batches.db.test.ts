import { cancelOrphanedBatches } from "@slowboat/store";
import { afterEach, expect, test } from "vitest";
import { EVENING, HOUR, MINUTE, openWorld, type World } from "./testing/world.ts";

// What a provider's batch API does that its documents do not promise.

let world: World;
afterEach(() => world.close());

const BATCH = { lanesAllow: ["openai-batch", "openai"], batchId: "batch_a" };
const acceptLines = async (from: number, to: number, over: object = {}): Promise<string[]> => {
  const ids: string[] = [];
  for (let line = from; line <= to; line++) ids.push(...(await world.accept(1, { ...BATCH, lineNo: line, ...over })));
  return ids;
};

interface Seen {
  readonly id: string;
  readonly jobId: string;
  readonly lane: string;
  readonly state: string;
  readonly code: string | null;
  readonly outcome: string | null;
  readonly answeredAtMs: number;
}
const attempts = (): Promise<Seen[]> =>
  world.rows<Seen>("attempt", `id, job_id as "jobId", lane, state, error_code as code, outcome, answered_at_ms as "answeredAtMs"`);
const answered = async (): Promise<Seen[]> => (await attempts()).filter((row) => row.state === "answered");
const lanesOf = (rows: readonly Seen[]): string[] => [...new Set(rows.map((row) => row.lane))];

// biome-ignore lint/suspicious/noExplicitAny: a test reads replies as a stranger would.
const provider = async (path: string, method = "GET"): Promise<any> =>
  await (await fetch(`${world.emulator.url}${path}`, { method, headers: { authorization: "Bearer sk-test" } })).json();

test("a file that its provider loses before it was looked at is uploaded again, and its lines stay at their price", async () => {
  world = await openWorld({ batchTurnaroundMs: 10 * MINUTE });
  await acceptLines(1, 8);
  await world.look();
  for (const { id } of (await provider("/v1/files")).data) await provider(`/v1/files/${id}`, "DELETE");
  await world.pass(EVENING + 2 * HOUR, MINUTE);
  expect((await attempts()).filter((row) => row.code === "file_lost")).toHaveLength(8);
  expect(await answered()).toHaveLength(8);
  expect(lanesOf(await answered())).toEqual(["openai-batch"]);
});

test("a provider that loses every file costs the batch price and not the deadline", async () => {
  world = await openWorld({ batchTurnaroundMs: 10 * MINUTE });
  const end = EVENING + 3 * HOUR;
  await acceptLines(1, 3, { deadlineAtMs: end });
  while (world.clock.job() < end) {
    await world.look();
    for (const { id } of (await provider("/v1/files")).data) await provider(`/v1/files/${id}`, "DELETE");
    world.clock.advance(4 * MINUTE);
  }
  const done = await answered();
  expect(done.map((row) => row.lane)).toEqual(["openai", "openai", "openai"]);
  for (const { answeredAtMs } of done) expect(answeredAtMs).toBeLessThanOrEqual(end);
});

test("a line that stands in neither of a provider's files is held in suspense and answered by another attempt, whatever the counters say", async () => {
  world = await openWorld({ batchTurnaroundMs: 10 * MINUTE });
  const ids = await acceptLines(1, 4);
  await world.look();
  const [lost, ...kept] = (await attempts()).sort((a, b) => (a.jobId < b.jobId ? -1 : 1));
  const body = {
    id: "chatcmpl-1",
    object: "chat.completion",
    model: "gpt-5-mini",
    choices: [],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  };
  const rows = kept.map(({ id }) => JSON.stringify({ id: "b", custom_id: id, response: { status_code: 200, request_id: "r", body }, error: null }));
  world.clock.advance(15 * MINUTE);
  world.emulator.addFaults({ match: { method: "GET", path: "/v1/files/*" }, status: 200, body: `${rows.join("\n")}\n` });
  await world.pass(EVENING + 2 * HOUR, MINUTE);
  expect((await attempts()).find((row) => row.id === lost?.id)).toMatchObject({ state: "unknown", code: "line_missing", outcome: "unheard" });
  expect(new Set((await answered()).map((row) => row.jobId))).toEqual(new Set(ids));
});

test("a provider's batch that nobody waits for any more is cancelled there, and one that somebody waits for is not", async () => {
  world = await openWorld({ batchTurnaroundMs: 4 * HOUR });
  await acceptLines(1, 5);
  await world.look();
  const { sql } = world.database.store;
  await sql`update job set state = 'cancelled', next_decision_at_ms = null where line_no > 1`;
  expect(await cancelOrphanedBatches(sql, world.clock.job())).toEqual([]);
  await sql`update job set state = 'cancelled', next_decision_at_ms = null`;
  expect(await cancelOrphanedBatches(sql, world.clock.job())).toHaveLength(1);
  await world.pass(EVENING + HOUR, MINUTE);
  expect((await provider("/v1/batches")).data).toMatchObject([{ status: "cancelled" }]);
  expect((await world.emulator.invoice()).lines).toHaveLength((await answered()).length);
});
