import { until, watchLeaks } from "@slowboat/testkit";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startIntake, type TestCaller, type TestIntake } from "../testing/api.ts";
import { batchOf as batchAs, chatLine, create as createAs, type Terms, upload as uploadAs } from "./testing/batch-caller.ts";

const leaks = watchLeaks();
let intake: TestIntake;
let me: TestCaller;

beforeAll(async () => {
  intake = await startIntake();
  me = intake.tenant;
});
afterAll(async () => {
  await intake.stop();
  await leaks.check();
});

const upload = (content: string | Buffer, name?: string, caller = me) => uploadAs(caller, content, name);
const create = (fileId: string, terms: Terms = {}, caller = me) => createAs(caller, fileId, terms);
const batchOf = (content: string | Buffer, terms: Terms = {}) => batchAs(intake, me, content, terms);

describe("cancelling, deleting, and running twice", () => {
  test("a cancelled batch is cancelling at once, its jobs are cancelled, and populating it does nothing more", async () => {
    const { id } = await create((await upload(`${chatLine("a")}\n${chatLine("b")}`)).id);
    await intake.run(id);
    expect(await me.openai.batches.cancel(id)).toMatchObject({ status: "cancelling", request_counts: { total: 2, completed: 0, failed: 0 } });
    expect(await intake.store.sql`select from job where batch_id = ${id} and state = 'cancelled' and next_decision_at_ms is null`).toHaveLength(2);
    const early = await create((await upload(chatLine("a"))).id);
    await me.openai.batches.cancel(early.id);
    await intake.run(early.id);
    expect(await me.openai.batches.retrieve(early.id)).toMatchObject({ status: "cancelling", request_counts: { total: 0 } });
    const failed = await batchOf("{");
    await expect(me.openai.batches.cancel(failed.id)).rejects.toMatchObject({ status: 409 });
  });

  test("a batch is in the list from its creation until after its end, with its deadline, and its window as it was written", async () => {
    const { id } = await create((await upload(chatLine("a"))).id, { completion_window: "4h" as never });
    const listed = async (which = id) => (await me.openai.batches.list()).data.find((one) => one.id === which);
    const same = { id, completion_window: "4h", expires_at: expect.any(Number) };
    expect(await listed()).toMatchObject({ ...same, status: "validating" });
    await intake.run(id);
    expect(await listed()).toMatchObject({ ...same, status: "in_progress" });
    await me.openai.batches.cancel(id);
    expect(await listed()).toMatchObject({ ...same, status: "cancelling" });
    const failed = await batchOf("{");
    expect(await listed(failed.id)).toMatchObject({ status: "failed", completion_window: "24h" });
  });

  test("populating twice at once, and again after an interruption, inserts every line once", async () => {
    const lines = Array.from({ length: 2500 }, (_, i) => chatLine(`n${i}`)).join("\n");
    const { id } = await create((await upload(lines)).id);
    await Promise.all([intake.run(id), intake.run(id)]);
    const states = await intake.store.sql<
      { n: number; distinct: number }[]
    >`select count(*)::int as n, count(distinct custom_id)::int as distinct from job where batch_id = ${id}`;
    expect(states).toEqual([{ n: 2500, distinct: 2500 }]);
    // As if the worker had died after its second group.
    await intake.store.sql`update batch set state = 'validating', lease_until_real_ms = null where id = ${id}`;
    await intake.store.sql`delete from job where batch_id = ${id} and line_no > 2000`;
    await intake.run(id);
    expect(await me.openai.batches.retrieve(id)).toMatchObject({ status: "in_progress", request_counts: { total: 2500 } });
    expect(await intake.store.sql`select from job where batch_id = ${id}`).toHaveLength(2500);
  });

  test("a cancel in the middle of populating leaves no live job behind", async () => {
    const lines = Array.from({ length: 6000 }, (_, i) => chatLine(`m${i}`)).join("\n");
    const { id } = await create((await upload(lines)).id);
    const running = intake.run(id);
    await until(async () => (await intake.store.sql`select from job where batch_id = ${id} limit 1`).length > 0, "a first job of the batch");
    await me.openai.batches.cancel(id);
    await running;
    expect(await intake.store.sql`select from job where batch_id = ${id} and state <> 'cancelled'`).toHaveLength(0);
    expect((await me.openai.batches.retrieve(id)).status).toBe("cancelling");
  });

  test("a file deleted under a live batch is 404 at once and keeps its bytes until the batch has ended", async () => {
    const { sweepIntake } = await import("@slowboat/intake");
    const file = await upload(chatLine("a"));
    const { id } = await create(file.id);
    await me.openai.files.delete(file.id);
    await expect(me.openai.files.retrieve(file.id)).rejects.toThrow(OpenAI.NotFoundError);
    await intake.run(id);
    expect(await me.openai.batches.retrieve(id)).toMatchObject({ status: "in_progress" });
    await sweepIntake(intake.populate);
    expect(await intake.blob.size(`files/${file.id}`)).not.toBeNull();
    await intake.store.sql`update batch set state = 'completed' where id = ${id}`;
    await sweepIntake(intake.populate);
    expect(await intake.blob.size(`files/${file.id}`)).toBeNull();
  });
});
