import { seededRng } from "@slowboat/kernel";
import { answerFeatures, askOf, figuresOf, gramsOf, type Label, trainPolicy } from "@slowboat/route";
import { packed, savePolicy, setTenant } from "@slowboat/store";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startIntake, type TestCaller, type TestIntake } from "../testing/api.ts";

const DEAR = "gpt-5.5";
const CHEAP = "gpt-5-mini";
const CHAT = "/v1/chat/completions";
let intake: TestIntake;
let caller: TestCaller;

beforeAll(async () => {
  intake = await startIntake();
  caller = intake.tenant;
});
afterAll(() => intake.stop());

const set = (alias: string, more: object = {}, by = caller) =>
  by.call("PUT", `/v1/routes/${alias}`, { candidates: [CHEAP, DEAR], baseline: DEAR, quality: 0.9, ...more });
const chat = (model: string) => ({ model, messages: [{ role: "user", content: "name the colour of the harbour" }] });
const send = (model: string, by = caller) => by.call("POST", "/v1/jobs", { body: chat(model), deadline: "8h" });
const rowOf = async (id: string) =>
  (
    await intake.store.sql<{ model: string; baselineModel: string; body: string; fallbacks: string | null; route: string | null }[]>`
      select model, baseline_model as "baselineModel", body, fallbacks, route from job where id = ${id} or batch_id = ${id}`
  )[0];

/** The job of a batch's only line. */
async function lineOf(model: string, by = caller) {
  const line = JSON.stringify({ custom_id: "a", method: "POST", url: CHAT, body: chat(model) });
  const file = await by.openai.files.create({ purpose: "batch", file: new File([line], "in.jsonl") });
  const batch = await by.openai.batches.create({ input_file_id: file.id, endpoint: CHAT, completion_window: "24h" });
  await intake.run(batch.id);
  return await rowOf(batch.id);
}

/** A world in which the cheap model is right and says so: after as many labels as are asked for, nothing speaks for the dear one. */
const labels = (count: number): Label[] =>
  Array.from({ length: count }, (_, i) => {
    const prompt = `name the colour of the ${["harbour", "river", "island"][i % 3]} ${i}`;
    const wrong = i % 40 === 0;
    const answer = { grams: gramsOf(wrong ? "perhaps maybe none" : "It is blue."), features: answerFeatures(figuresOf(prompt), "It is blue.") };
    return { ...askOf(prompt, ""), scores: Float64Array.of(1, wrong ? 0 : 1), answers: new Map([[1, answer]]), weight: 1 };
  });

async function learn(alias: string, by = caller, cheap = CHEAP): Promise<void> {
  const policy = trainPolicy(labels(140), { models: [DEAR, cheap], costs: [1, 0.05], alpha: 0.1 }, seededRng(3));
  expect(policy.guard.lambda).not.toBeNull();
  const [row] = await intake.store.sql<{ v: number }[]>`select policy_version as v from route where tenant_id = ${by.tenantId} and alias = ${alias}`;
  const of = { tenantId: by.tenantId, alias };
  expect(
    await savePolicy(intake.store.sql, {
      ...of,
      seenVersion: row?.v ?? 0,
      policy: packed(policy),
      labels: 140,
      seenFresh: 0,
      nowMs: intake.clock.job(),
    }),
  ).toBe(true);
}

test("an alias is set, listed, changed and taken away by its tenant, and nobody else sees it", async () => {
  expect((await set("crew")).json).toMatchObject({ model: "auto:crew", baseline: DEAR, candidates: [DEAR, CHEAP], quality: 0.9, labels: 0 });
  expect((await caller.call("GET", "/v1/routes")).json.data.map((one: { id: string }) => one.id)).toEqual(["crew"]);
  const other = await intake.newTenant("other");
  expect((await other.call("GET", "/v1/routes")).json.data).toEqual([]);
  expect((await send("auto:crew", other)).status).toBe(404);
  expect((await other.call("DELETE", "/v1/routes/crew")).status).toBe(404);
  expect((await caller.call("DELETE", "/v1/routes/crew")).status).toBe(200);
});

test("what is wrong with an alias is said with the field that holds it", async () => {
  const param = async (alias: string, more: object) => (await set(alias, more)).json.error.param;
  expect(await param("Bad Name", {})).toBe("alias");
  expect(await param("a", { candidates: [] })).toBe("candidates");
  expect(await param("a", { candidates: ["gpt-0"] })).toBe("candidates");
  expect(await param("a", { baseline: 3 })).toBe("baseline");
  expect(await param("a", { quality: 1 })).toBe("quality");
  expect(await param("a", { shadow: 0.3 })).toBe("shadow");
  expect(await param("a", { shadow: "all" })).toBe("shadow");
  expect(await param("a", { judge: "gpt-0" })).toBe("judge");
  expect(await param("a", { judge: 3 })).toBe("judge");
  expect((await send("auto:nobody")).json.error).toMatchObject({ param: "body.model" });
});

test("an alias says how it learns, and keeps what it has learned while only that is changed", async () => {
  expect((await set("learner")).json).toMatchObject({
    shadow: 0.03,
    judge: null,
    fresh_labels: 0,
    pairs_open: 0,
    trained_at: null,
    drifted_at: null,
  });
  await learn("learner");
  const kept = await set("learner", { shadow: 0.2, judge: CHEAP });
  expect(kept.json).toMatchObject({ shadow: 0.2, judge: CHEAP, policy_version: 1, labels: 140 });
  expect((await set("learner", { quality: 0.95 })).json).toMatchObject({ policy_version: 2, fresh_labels: 140, shadow: 0.03, judge: null });
});

test("what is compared is drawn at intake with its chance on record, and only what every candidate can be asked again", async () => {
  await set("dice", { shadow: 0.2 });
  const made = await Promise.all(Array.from({ length: 60 }, () => send("auto:dice")));
  const draws = await Promise.all(made.map(async ({ json }) => JSON.parse((await rowOf(json.id))?.route ?? "{}").shadow));
  for (const draw of draws) expect(draw).toMatchObject({ chance: 0.2, judged: true, job: expect.any(String) });
  const drawn = draws.filter((draw) => draw.drawn).length;
  expect(drawn).toBeGreaterThan(1);
  expect(drawn).toBeLessThan(30);
  const tools = [{ type: "function", function: { name: "look", parameters: {} } }];
  const shadowOf = async (body: object) => {
    const { json } = await caller.call("POST", "/v1/jobs", { body: { ...chat("auto:dice"), ...body }, deadline: "8h" });
    return JSON.parse((await rowOf(json.id))?.route ?? "{}").shadow;
  };
  expect(await shadowOf({})).toBeDefined();
  expect(await shadowOf({ tools })).toBeUndefined();
  expect(await shadowOf({ n: 2 })).toBeUndefined();
  await set("dice", { shadow: 0 });
  expect(await shadowOf({})).toBeUndefined();
}, 60_000);

test("feedback on a routed answer goes to whoever learns, of its own tenant and about the answer alone", async () => {
  await set("heard", { shadow: 0.001 });
  const { sql } = intake.store;
  const { json } = await send("auto:heard");
  const say = (body: object, by = caller) => by.call("POST", `/v1/jobs/${json.id}/feedback`, body);
  const pairs = async () => [...(await sql`select said, chance, state from route_pair where job_id = ${json.id}`)];
  expect((await say({ good: true })).status).toBe(201);
  expect(await pairs()).toEqual([]);
  await sql`update job set state = 'completed', ended_at_ms = 1 where id = ${json.id}`;
  await sql`insert into result (job_id, tenant_id, attempt_id, source, status_code, created_at_ms, expires_at_ms)
    values (${json.id}, ${caller.tenantId}, 'att_1', 'lane', 200, 1, 1e15)`;
  const other = await intake.newTenant("unheard");
  expect((await say({ good: true }, other)).status).toBe(404);
  await say({ good: true, kind: "speed" });
  expect(await pairs()).toEqual([]);
  await say({ good: false });
  expect(await pairs()).toEqual([{ said: 0, chance: null, state: "new" }]);
  await say({ good: true, score: 0.7 });
  expect(await pairs()).toEqual([{ said: 0.7, chance: null, state: "new" }]);
});

test("before anything was learned the baseline is asked, by its own name, and the job says so", async () => {
  await set("default");
  const made = await send("auto");
  expect(made.status).toBe(202);
  const row = await rowOf(made.json.id);
  expect(row).toMatchObject({ model: DEAR, baselineModel: DEAR, fallbacks: null, body: JSON.stringify(chat(DEAR)) });
  const shown = await caller.call("GET", `/v1/jobs/${made.json.id}`);
  expect(shown.json.route).toMatchObject({ alias: "default", mode: "baseline", first: null, propensity: 1 });
  expect(shown.json.route.why).toContain("nothing has been learned");
});

test("a pinned model is never touched", async () => {
  const made = await send(DEAR);
  expect(await rowOf(made.json.id)).toMatchObject({ model: DEAR, route: null, fallbacks: null });
});

test("once the labels allow it the cheap model goes first, the baseline stands behind it, for jobs and batch lines alike", async () => {
  await set("learned");
  await learn("learned");
  const made = await Promise.all(Array.from({ length: 12 }, () => send("auto:learned")));
  const rows = await Promise.all(made.map(({ json }) => rowOf(json.id)));
  // The dice send about 3 in 100 to the baseline.
  const routed = rows.filter((row) => row?.fallbacks !== null);
  expect(routed.length).toBeGreaterThan(6);
  for (const row of routed) {
    expect(row).toMatchObject({ model: DEAR, baselineModel: DEAR, body: JSON.stringify(chat(DEAR)) });
    expect(JSON.parse(row?.fallbacks ?? "[]")).toMatchObject([{ model: CHEAP }]);
    expect(JSON.parse(row?.route ?? "{}")).toMatchObject({ first: CHEAP, baseline: DEAR, propensity: 0.97, explored: false });
  }
  const row = await lineOf("auto:learned");
  expect(row).toMatchObject({ model: DEAR, body: JSON.stringify(chat(DEAR)) });
  expect(JSON.parse(row?.route ?? "{}")).toMatchObject({ alias: "learned" });
}, 60_000);

test("a request that holds more than text goes to the baseline", async () => {
  const content = [
    { type: "text", text: "name the colour" },
    { type: "image_url", image_url: { url: "https://example.com/a.png" } },
  ];
  const made = await caller.call("POST", "/v1/jobs", { body: { model: "auto:learned", messages: [{ role: "user", content }] }, deadline: "8h" });
  expect(JSON.parse((await rowOf(made.json.id))?.route ?? "{}")).toMatchObject({ mode: "baseline", why: "the request holds more than text" });
});

test("a candidate that cannot hold the prompt is not asked although it would be chosen, and the job says why", async () => {
  const small = "gpt-4o-mini";
  await set("long", { candidates: [small, DEAR] });
  await learn("long", caller, small);
  const ask = async (system: string) => {
    const messages = [{ role: "system", content: system }, ...chat("").messages];
    const made = await Promise.all(
      Array.from({ length: 4 }, () => caller.call("POST", "/v1/jobs", { body: { model: "auto:long", messages }, deadline: "8h" })),
    );
    return await Promise.all(made.map(({ json }) => caller.call("GET", `/v1/jobs/${json.id}`)));
  };
  expect((await ask("Be brief.")).some(({ json }) => json.route.first === small)).toBe(true);
  for (const { json } of await ask("x ".repeat(250_000))) {
    expect(json.route).toMatchObject({ mode: "baseline", first: null, why: "no other candidate can run this request" });
    expect(json.route.left_out).toEqual([expect.stringMatching(/^gpt-4o-mini: context: about \d+ tokens with the answer, the model holds 128000$/)]);
  }
}, 60_000);

test("a model that the tenant denies is no candidate any more, no fallback, and no new alias can name it; pinned it runs", async () => {
  const other = await intake.newTenant("choosy");
  await set("default", {}, other);
  await learn("default", other);
  await intake.store.begin((tx) => setTenant(tx, { name: "choosy", models: JSON.stringify({ allow: null, deny: [CHEAP] }) }));
  // A key's tenant is remembered for ten seconds.
  intake.clock.advance(11_000);
  const rows = [await rowOf((await send("auto", other)).json.id), await rowOf((await send("auto", other)).json.id), await lineOf("auto", other)];
  for (const row of rows) {
    expect(row?.fallbacks).toBeNull();
    expect(JSON.parse(row?.route ?? "{}")).toMatchObject({ first: null, leftOut: [`${CHEAP}: policy: the tenant denies this model`] });
  }
  expect((await set("new", {}, other)).json.error).toMatchObject({ param: "candidates" });
  const named = await other.call("POST", "/v1/jobs", { body: chat(DEAR), fallbacks: [CHEAP], deadline: "8h" });
  expect(named).toMatchObject({ status: 400, json: { error: { param: "fallbacks" } } });
  expect((await send(CHEAP, other)).status).toBe(202);
  await intake.store.begin((tx) => setTenant(tx, { name: "choosy", models: JSON.stringify({ allow: [CHEAP], deny: [] }) }));
  intake.clock.advance(11_000);
  expect((await send("auto", other)).json.error).toMatchObject({ param: "body.model", message: expect.stringContaining("set another baseline") });
}, 60_000);
