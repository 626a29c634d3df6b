import { setTenant } from "@slowboat/store";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startIntake, type TestIntake } from "./testing/api.ts";

let intake: TestIntake;
beforeAll(async () => {
  intake = await startIntake();
});
afterAll(() => intake.stop());

const CHAT = "/v1/chat/completions";
const chat = (more: object = {}) => ({ model: "gpt-5-mini", messages: [{ role: "user", content: "hi" }], ...more });

interface Row {
  readonly body: string | null;
  readonly fallbacks: string | null;
}
const names = ({ fallbacks }: Row): string[] => (JSON.parse(fallbacks ?? "[]") as { model: string }[]).map((one) => one.model);
const rowsOf = async (where: { id?: string; batchId?: string }): Promise<Row[]> => [
  ...(await intake.store.sql<Row[]>`
    select body, fallbacks from job where id = ${where.id ?? ""} or batch_id = ${where.batchId ?? ""} order by line_no`),
];
const oneOf = async (id: string): Promise<Row> => (await rowsOf({ id }))[0] as Row;

describe("a job's models that may stand in", () => {
  const send = (request: object, headers: Record<string, string> = {}) => intake.tenant.call("POST", "/v1/jobs", request, headers);

  test("come from the header, else the envelope, else the body, where they are taken out; the job shows them", async () => {
    const body = chat({ fallbacks: ["gpt-6-luna"] });
    const inBody = await send({ body });
    expect(inBody.json.fallbacks).toEqual(["gpt-6-luna"]);
    expect((await oneOf(inBody.json.id)).body).toBe(JSON.stringify(chat()));
    const inEnvelope = await send({ body, fallbacks: ["claude-haiku-4-5", "gpt-6-sol"] });
    expect(inEnvelope.json.fallbacks).toEqual(["claude-haiku-4-5", "gpt-6-sol"]);
    expect((await oneOf(inEnvelope.json.id)).body).toBe(JSON.stringify(chat()));
    const inHeader = await send({ body, fallbacks: ["claude-haiku-4-5"] }, { "slowboat-fallbacks": "claude-opus-5, gpt-5.5" });
    expect(inHeader.json.fallbacks).toEqual(["claude-opus-5", "gpt-5.5"]);
    expect((await intake.tenant.call("GET", `/v1/jobs/${inHeader.json.id}`)).json.fallbacks).toEqual(["claude-opus-5", "gpt-5.5"]);
    expect((await send({ body }, { "slowboat-fallbacks": "" })).json.fallbacks).toEqual([]);
  });

  test("a provider's own member of that name is left to the provider", async () => {
    const body = { model: "claude-opus-5", max_tokens: 5, messages: [{ role: "user", content: "hi" }], fallbacks: [{ model: "claude-sonnet-5" }] };
    const made = await send({ endpoint: "/v1/messages", body });
    expect(made.json.fallbacks).toEqual([]);
    expect((await oneOf(made.json.id)).body).toBe(JSON.stringify(body));
  });

  test("what nobody knows or could never answer is refused with the field that named it", async () => {
    const refused = async (request: object, headers = {}) => {
      const { status, json } = await send(request, headers);
      return [status, json.error?.param];
    };
    expect(await refused({ body: chat(), fallbacks: ["gpt-0"] })).toEqual([404, "fallbacks"]);
    expect(await refused({ body: chat({ fallbacks: ["text-embedding-3-small"] }) })).toEqual([400, "body.fallbacks"]);
    expect(await refused({ body: chat() }, { "slowboat-fallbacks": "a,b,c,d,e" })).toEqual([400, "slowboat-fallbacks"]);
    expect(await refused({ body: chat(), fallbacks: "claude-haiku-4-5" })).toEqual([400, "fallbacks"]);
  });

  test("a deadline that only a model which stands in can make is accepted", async () => {
    const late = { body: chat(), deadline: "1m", allow: ["openai-batch", "anthropic"] };
    expect((await send(late)).status).toBe(409);
    expect((await send({ ...late, fallbacks: ["claude-haiku-4-5"] })).status).toBe(202);
  });

  test("another chain under the same Idempotency-Key is another request", async () => {
    const key = { "idempotency-key": "chain" };
    expect((await send({ body: chat() }, key)).status).toBe(202);
    expect((await send({ body: chat() }, { ...key, "slowboat-fallbacks": "gpt-6-luna" })).status).toBe(409);
  });
});

describe("the lines of a batch", () => {
  const made = async (lines: readonly object[], metadata: Record<string, string> = {}, headers: Record<string, string> = {}) => {
    const text = lines.map((body, index) => JSON.stringify({ custom_id: `l${index}`, method: "POST", url: CHAT, body })).join("\n");
    const file = await intake.tenant.openai.files.create({ purpose: "batch", file: new File([text], "in.jsonl") });
    const batch = await intake.tenant.openai.batches.create(
      { input_file_id: file.id, endpoint: CHAT, completion_window: "24h", metadata },
      { headers },
    );
    await intake.run(batch.id);
    return await intake.tenant.openai.batches.retrieve(batch.id);
  };

  test("have the batch's list, or their own, of which the provider hears nothing; the header goes before the metadata", async () => {
    const batch = await made([chat(), chat({ fallbacks: ["gpt-6-luna"] }), chat({ fallbacks: [] })], { fallbacks: "claude-haiku-4-5,gpt-5.5" });
    expect(batch.status).toBe("in_progress");
    const rows = await rowsOf({ batchId: batch.id });
    expect(rows.map(names)).toEqual([["claude-haiku-4-5", "gpt-5.5"], ["gpt-6-luna"], []]);
    expect(rows.map((row) => row.body)).toEqual([null, JSON.stringify(chat()), JSON.stringify(chat())]);
    const headed = await made([chat()], { fallbacks: "gpt-5.5" }, { "slowboat-fallbacks": "claude-opus-5" });
    expect((await rowsOf({ batchId: headed.id })).map(names)).toEqual([["claude-opus-5"]]);
  });

  test("keep for each line why a model cannot be asked, since bodies differ", async () => {
    const batch = await made([chat({ n: 2 }), chat()], { fallbacks: "claude-haiku-4-5" });
    const [several, one] = (await rowsOf({ batchId: batch.id })).map(({ fallbacks }) => JSON.parse(fallbacks ?? "[]")[0]);
    expect(several.refused).toBe("n: asks for several answers, the other API gives one");
    expect(one).not.toHaveProperty("refused");
  });

  test("with a model that nobody knows fail the batch with the line and the field", async () => {
    const batch = await made([chat(), chat({ fallbacks: ["gpt-0"] })]);
    expect(batch.status).toBe("failed");
    expect(batch.errors?.data).toMatchObject([{ code: "model_not_found", param: "body.fallbacks", line: 2 }]);
  });
});

test("the tenant's own list holds for all that name none: jobs, batches and what they turn off", async () => {
  const { store } = intake;
  const tenant = await intake.newTenant("chained");
  await setTenant(store.sql, { name: "chained", fallbacks: '["claude-haiku-4-5"]' });
  const send = async (body: object) => (await tenant.call("POST", "/v1/jobs", { body })).json.fallbacks;
  expect(await send(chat())).toEqual(["claude-haiku-4-5"]);
  expect(await send(chat({ fallbacks: [] }))).toEqual([]);
  expect(await send({ model: "text-embedding-3-small", input: "x" })).toEqual([]);
  const text = JSON.stringify({ custom_id: "a", method: "POST", url: CHAT, body: chat() });
  const file = await tenant.openai.files.create({ purpose: "batch", file: new File([text], "in.jsonl") });
  const batch = await tenant.openai.batches.create({ input_file_id: file.id, endpoint: CHAT, completion_window: "24h" });
  await intake.run(batch.id);
  expect((await rowsOf({ batchId: batch.id })).map(names)).toEqual([["claude-haiku-4-5"]]);
});
