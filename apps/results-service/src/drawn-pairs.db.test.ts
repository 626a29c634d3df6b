import { newId } from "@slowboat/kernel";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import { createLogger } from "@slowboat/runtime";
import { insertAttempts, insertJobs, openRouteDesk, saveAnswers, setRoute } from "@slowboat/store";
import { seedTenant, testClock, testDatabase, testJob, testQueue, testRng } from "@slowboat/testkit";
import { expect, test } from "vitest";
import { settleChunk } from "./settle.ts";
import { answer } from "./testing/answers.ts";

const book = loadPriceBook(STANDARD_PRICES);
const clock = testClock();
const rng = testRng(12);

test("a drawn answer becomes a pair in the transaction that settles it: a good one of an alias that there is, and no other", async () => {
  const database = await testDatabase();
  const { store } = database;
  const { sql } = store;
  const queue = await testQueue(database);
  const owner = await seedTenant(store, { clock });
  const deps = { store, queue, book, clock, rng, logger: createLogger("test", "silent"), routes: openRouteDesk(sql, () => clock.real()) };
  const body = answer({ prompt: 10, cached: 0, output: 1 }, "default");
  const answered = async (jobId: string, seq: number, text: string, statusCode = 200): Promise<void> => {
    const id = newId("attempt", clock.job(), rng);
    const intent = { id, jobId, tenantId: owner.tenantId, seq, lane: "openai", account: "a", dispatchId: null, role: "try", decision: "{}" };
    const facts = { estimateNano: null, pricesVersion: book.version, emulated: true, createdAtMs: clock.job(), state: "sending" } as const;
    await insertAttempts(sql, [{ ...intent, ...facts }], clock.real());
    const at = { nowMs: clock.job(), realMs: clock.real() };
    await saveAnswers(sql, [{ attemptId: id, statusCode, body: text, requestId: "r", errorCode: null }], at);
    await sql`update job set attempt_id = ${id} where id = ${jobId}`;
  };
  const routed = (alias: string, drawn: boolean) =>
    testJob({
      ...{
        id: newId("job", clock.job(), rng),
        ...owner,
        model: "gpt-5-mini",
        baselineModel: "gpt-5-mini",
        state: "placed",
        acceptedAtMs: clock.job(),
      },
      route: JSON.stringify({ alias, shadow: { drawn, chance: 0.1, job: "j", judged: true } }),
    });
  const settings = { candidates: '["gpt-5.5","gpt-5-mini"]', baseline: "gpt-5.5", quality: 0.9, shadow: 0.1, judge: null };
  await setRoute(sql, { tenantId: owner.tenantId, alias: "drawn", ...settings, nowMs: clock.job() });
  const [good, refused, undrawn, gone] = [routed("drawn", true), routed("drawn", true), routed("drawn", false), routed("nobody", true)] as const;
  await insertJobs(sql, [good, refused, undrawn, gone]);
  for (const one of [good, undrawn, gone]) await answered(one.id, 1, body);
  await answered(refused.id, 1, '{"error":{}}', 400);
  await settleChunk(deps);
  // A second answer to the same job draws nothing anew.
  await answered(good.id, 2, body);
  await settleChunk(deps);
  const pairs = await sql`select job_id as id, tenant_id as tenant, chance, state from route_pair`;
  expect([...pairs]).toEqual([{ id: good.id, tenant: owner.tenantId, chance: 0.1, state: "new" }]);
  await queue.close();
  await database.drop();
});
