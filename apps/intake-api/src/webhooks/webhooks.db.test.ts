import { startEmulator } from "@slowboat/emulator";
import type { Consumer } from "@slowboat/queue";
import { leaseDispatch, releaseDispatch, sweepDispatches } from "@slowboat/store";
import { until } from "@slowboat/testkit";
import OpenAI, { toFile } from "openai";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startIntake, type TestIntake } from "../testing/api.ts";
import { openaiWebhooks } from "./routes.ts";

const SECRET = `whsec_${Buffer.from("a secret of thirty-two bytes, ok").toString("base64")}`;
const MINUTE = 60_000;

let intake: TestIntake;
let consumer: Consumer;
let rung: string[] = [];
beforeAll(async () => {
  intake = await startIntake({ mounts: [openaiWebhooks(SECRET)] });
  consumer = await intake.queue.consume("lane-batch", 1, async ({ dispatchId }) => void rung.push(dispatchId));
});
afterAll(async () => {
  await consumer.stop();
  await intake.stop();
});
beforeEach(async () => {
  rung = [];
  await intake.store.sql`delete from dispatch`;
});

let made = 0;
/** A submitted batch whose next poll is a quarter of an hour away, under an id of its own: the bell of a batch that is being polled is not rung again. */
async function submitted(ref: string, over: { lane?: string; state?: string } = {}): Promise<string> {
  const id = `dsp_${ref}_${++made}`;
  const nowMs = intake.clock.job();
  await intake.store.sql`
    insert into dispatch (id, lane, account, endpoint, model, state, jobs, emulated, enqueued_real_ms, provider_ref, next_poll_at_ms, created_at_ms, submitted_at_ms)
    values (${id}, ${over.lane ?? "openai-batch"}, 'a', '/v1/chat/completions', 'gpt-5-mini', ${over.state ?? "submitted"}, 1, true, 0, ${ref}, ${nowMs + 15 * MINUTE},
      ${nowMs}, ${nowMs})`;
  return id;
}
const nextPoll = async (id: string): Promise<number | undefined> =>
  (await intake.store.sql<{ at: number }[]>`select next_poll_at_ms as at from dispatch where id = ${id}`)[0]?.at;

const event = (ref: unknown, type = "batch.completed"): string =>
  JSON.stringify({ object: "event", id: "evt_1", type, created_at: Math.floor(intake.clock.real() / 1000), data: { id: ref } });

/** Headers as an independent library signs them. */
function signed(body: string, { secret = SECRET, id = "wh_1", ageMs = 0 } = {}): Record<string, string> {
  const at = new Date(intake.clock.real() - ageMs);
  return {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
    "webhook-signature": new Webhook(secret).sign(id, at, body),
  };
}

async function post(body: string, headers: Record<string, string>) {
  const reply = await fetch(`${intake.url}/webhooks/openai`, { method: "POST", headers, body });
  const text = await reply.text();
  return { status: reply.status, text, json: JSON.parse(text) as { error?: { message: string; type: string; code: string | null } } };
}

describe("a rightly signed event", () => {
  test.each(["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"])(
    "%s makes the next poll of its batch due now and rings for it",
    async (type) => {
      const id = await submitted("batch_a");
      const body = event("batch_a", type);
      expect(await post(body, signed(body))).toMatchObject({ status: 200, json: { received: true } });
      expect(await nextPoll(id)).toBe(intake.clock.job());
      await until(() => rung.includes(id), "the batch's bell rings");
    },
  );

  test("of an unknown batch, of one that has ended, of another kind or without a batch is answered just the same, and changes nothing", async () => {
    const known = await submitted("batch_a");
    const ended = await submitted("batch_b", { state: "done" });
    const elsewhere = await submitted("batch_c", { lane: "groq-batch" });
    const before = await Promise.all([known, ended, elsewhere].map(nextPoll));
    const bodies = [
      event("batch_unknown"),
      event("batch_b"),
      event("batch_c"),
      event("batch_a", "response.completed"),
      event("batch_a", "batch.in_progress"),
      event(7),
      event("x".repeat(5_000)),
      JSON.stringify({ type: "batch.completed", data: null }),
    ];
    for (const body of bodies) expect(await post(body, signed(body)), body.slice(0, 80)).toMatchObject({ status: 200, text: '{"received":true}' });
    expect(await Promise.all([known, ended, elsewhere].map(nextPoll))).toEqual(before);
    expect(rung.filter((id) => [known, ended, elsewhere].includes(id))).toEqual([]);
  });

  test("that comes twice, late or out of order asks for one poll and says nothing of the batch's state", async () => {
    const id = await submitted("batch_a");
    for (const type of ["batch.failed", "batch.completed", "batch.completed", "batch.expired"]) {
      const body = event("batch_a", type);
      expect((await post(body, signed(body, { ageMs: 4 * MINUTE }))).status).toBe(200);
    }
    await until(() => rung.includes(id), "it rings");
    const [row] = await intake.store.sql`select state, provider_status as status, ended_at_ms as "endedAtMs" from dispatch where id = ${id}`;
    expect(row).toEqual({ state: "submitted", status: null, endedAtMs: null });
    expect(rung.filter((one) => one === id)).toHaveLength(1);
  });

  test("one of several signatures is enough, as while a secret is exchanged", async () => {
    const id = await submitted("batch_a");
    const body = event("batch_a");
    const headers = signed(body);
    const other = signed(body, { secret: `whsec_${Buffer.from("another secret, of other bytes").toString("base64")}` })["webhook-signature"];
    const list = `v1a,AAAA ${other} ${headers["webhook-signature"]}`;
    expect((await post(body, { ...headers, "webhook-signature": list })).status).toBe(200);
    expect(await nextPoll(id)).toBe(intake.clock.job());
  });

  test("that comes while a worker reads the batch is not overwritten by what that one read before", async () => {
    const id = await submitted("batch_a");
    const { sql } = intake.store;
    const realMs = intake.clock.real();
    const lease = await leaseDispatch(sql, { id, realMs, leaseMs: MINUTE });
    const body = event("batch_a");
    expect((await post(body, signed(body))).status).toBe(200);
    await releaseDispatch(sql, {
      id,
      gen: lease?.leaseGen ?? 0,
      patch: { nextPollAtMs: intake.clock.job() + 5 * MINUTE, providerStatus: "in_progress" },
    });
    const due = { nowMs: intake.clock.job(), realMs, lostAfterMs: 5_000, spacingMs: 2_000, limit: 10 };
    expect((await sweepDispatches(sql, due)).map((row) => row.id)).toEqual([id]);
    // The next worker's poll is its own again.
    const next = await leaseDispatch(sql, { id, realMs, leaseMs: MINUTE });
    await releaseDispatch(sql, { id, gen: next?.leaseGen ?? 0, patch: { nextPollAtMs: intake.clock.job() + 5 * MINUTE } });
    expect(await nextPoll(id)).toBe(intake.clock.job() + 5 * MINUTE);
  });
});

describe("refused, in OpenAI's error shape and without effect, is", () => {
  const refused = async (body: string, headers: Record<string, string>, status: number, code: string | null): Promise<void> => {
    const id = await submitted("batch_a");
    const before = await nextPoll(id);
    const reply = await post(body, headers);
    expect(reply).toMatchObject({ status, json: { error: { type: "invalid_request_error", code } } });
    expect(await nextPoll(id)).toBe(before);
    expect(rung).not.toContain(id);
  };

  test("another secret's signature, or none that we know the kind of", async () => {
    const body = event("batch_a");
    await refused(
      body,
      signed(body, { secret: `whsec_${Buffer.from("nobody's secret at all, really").toString("base64")}` }),
      401,
      "signature_invalid",
    );
    await intake.store.sql`delete from dispatch`;
    for (const bad of ["v1,", "v1", "v2,AAAA", "garbage", "v1,AAAA v1,!!!!"]) {
      expect((await post(body, { ...signed(body), "webhook-signature": bad })).status, bad).toBe(401);
    }
  });

  test("a body, an id or a time other than was signed: the raw bytes count", async () => {
    const body = event("batch_a");
    await refused(`${body} `, signed(body), 401, "signature_invalid");
    const headers = signed(body);
    expect((await post(body, { ...headers, "webhook-id": "wh_2" })).status).toBe(401);
    expect((await post(body, { ...headers, "webhook-timestamp": String(Number(headers["webhook-timestamp"]) + 1) })).status).toBe(401);
  });

  test.each([
    ["more than five minutes old", 5 * MINUTE + 2_000],
    ["more than five minutes ahead", -5 * MINUTE - 2_000],
  ])("one that is %s", async (_, ageMs) => {
    const body = event("batch_a");
    await refused(body, signed(body, { ageMs }), 400, null);
  });

  test("one without its headers, or with a time that is none", async () => {
    const body = event("batch_a");
    for (const name of ["webhook-id", "webhook-timestamp", "webhook-signature"]) {
      const { [name]: _, ...rest } = signed(body);
      expect((await post(body, rest)).status, name).toBe(400);
    }
    for (const time of ["", "soon", "-1", "1e9", "99999999999999999"]) {
      expect((await post(body, { ...signed(body), "webhook-timestamp": time })).status, time).toBe(400);
    }
  });

  test("a body that is too large, announced or not, or that is no JSON", async () => {
    const large = JSON.stringify({ type: "batch.completed", data: { id: "batch_a" }, pad: "x".repeat(70_000) });
    expect((await post(large, signed(large))).status).toBe(413);
    const stream = new ReadableStream({
      start: (controller) => {
        controller.enqueue(new TextEncoder().encode(large));
        controller.close();
      },
    });
    const reply = await fetch(`${intake.url}/webhooks/openai`, {
      method: "POST",
      headers: signed(large),
      body: stream,
      duplex: "half",
    } as RequestInit);
    expect(reply.status).toBe(413);
    expect((await post("no json", signed("no json"))).json.error?.code).toBe("invalid_json");
    expect((await post("7", signed("7"))).status).toBe(400);
  });

  test("another method, and with Anthropic's header the shape is still OpenAI's", async () => {
    expect((await fetch(`${intake.url}/webhooks/openai`)).status).toBe(405);
    const body = event("batch_a");
    const reply = await post(body, { ...signed(body), "webhook-signature": "v1,AAAA", "anthropic-version": "2023-06-01" });
    expect(reply.json.error?.code).toBe("signature_invalid");
  });
});

test("without a secret there is no such route", async () => {
  const plain = await startIntake();
  const body = event("batch_a");
  const reply = await fetch(`${plain.url}/webhooks/openai`, { method: "POST", headers: signed(body), body });
  expect(reply.status).toBe(404);
  await plain.stop();
});

test("the emulated provider's own announcements are taken, a wrongly signed first try is not, and its retry is", async () => {
  const time = { nowMs: Date.now() };
  const emulator = await startEmulator({ clock: () => time.nowMs, batchTurnaroundMs: 10 * MINUTE });
  const openai = new OpenAI({ apiKey: "any", baseURL: `${emulator.url}/v1`, maxRetries: 0 });
  const endpoint = await openai.webhooks.create({ name: "ours", url: "http://127.0.0.1:1/", event_types: ["batch.completed", "batch.failed"] });
  const real = await startIntake({ mounts: [openaiWebhooks(endpoint.signing_secret)], startMs: time.nowMs });
  try {
    await openai.post(`/webhook_endpoints/${endpoint.id}`, { body: { url: `${real.url}/webhooks/openai` } });
    emulator.addFaults({ match: { path: "webhook" }, webhook: { signature: "wrong" }, times: 1 });
    const line = JSON.stringify({
      custom_id: "a",
      method: "POST",
      url: "/v1/chat/completions",
      body: { model: "gpt-5-mini", messages: [{ role: "user", content: "x" }] },
    });
    const file = await openai.files.create({ file: await toFile(Buffer.from(line), "a.jsonl"), purpose: "batch" });
    const batch = await openai.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
    await real.store.sql`
      insert into dispatch (id, lane, account, endpoint, model, state, jobs, emulated, enqueued_real_ms, provider_ref, next_poll_at_ms, created_at_ms)
      values ('dsp_1', 'openai-batch', 'a', '/v1/chat/completions', 'gpt-5-mini', 'submitted', 1, true, 0, ${batch.id}, 9e15, 0)`;
    const hinted = async (): Promise<boolean> =>
      (await real.store.sql`select 1 from dispatch where id = 'dsp_1' and next_poll_at_ms = ${real.clock.job()}::float8`).length === 1;
    time.nowMs += 60 * MINUTE;
    await until(async () => {
      // The second try comes some seconds of the provider's time after the first.
      time.nowMs += 1_000;
      return hinted();
    }, "the batch is looked at again");
  } finally {
    await real.stop();
    await emulator.stop();
  }
});
