import { afterEach, expect, test } from "vitest";
import { type CallLane, createLanes, type LaneRequest } from "./index.ts";
import { json, type Script, scriptedServer } from "./testing/scripted-server.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

const { signal } = new AbortController();
const request: LaneRequest = { attemptId: "att_1", endpoint: "/v1/chat/completions", model: "m", body: '{"model":"m","messages":[]}' };
const answer = { object: "chat.completion", choices: [], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } };

async function provider(script: Script): Promise<Awaited<ReturnType<typeof scriptedServer>>> {
  const server = await scriptedServer(script);
  open.push(server);
  return server;
}

test("a configured provider has lanes of its own name below its own path, with its key and headers where it wants them", async () => {
  const server = await provider((_, res) => json(res, answer));
  const azure = {
    provider: "azure",
    apiKey: "k1",
    baseURL: `${server.url.replace(/\/v1$/, "")}/openai/v1`,
    auth: "api-key" as const,
    headers: { "x-team": "docs" },
    batch: true,
  };
  const groq = { provider: "groq", apiKey: "k2", baseURL: `${server.url.replace(/\/v1$/, "")}/openai/v1/`, batch: false };
  const lanes = createLanes({ compatible: [azure, groq], emulated: false });
  expect([...lanes.keys()]).toEqual(["azure", "azure-batch", "groq"]);
  for (const id of ["azure", "groq"]) {
    const said = await (lanes.get(id) as CallLane).call(request, signal);
    expect(said).toMatchObject({ kind: "answered", statusCode: 200 });
  }
  expect(server.heard.map(({ path }) => path)).toEqual(["/openai/v1/chat/completions", "/openai/v1/chat/completions"]);
  expect(server.heard[0]?.headers).toMatchObject({ "api-key": "k1", "x-team": "docs" });
  expect(server.heard[0]?.headers["authorization"]).toBeUndefined();
  expect(server.heard[1]?.headers).toMatchObject({ authorization: "Bearer k2" });
});

test("the control calls of a provider's batches carry the same key and headers", async () => {
  const server = await provider((_, res) =>
    json(res, { id: "batch_1", object: "batch", status: "in_progress", request_counts: { total: 1, completed: 0, failed: 0 } }),
  );
  const lanes = createLanes({
    compatible: [
      {
        provider: "azure",
        apiKey: "k1",
        baseURL: `${server.url.replace(/\/v1$/, "")}/openai/v1`,
        auth: "api-key",
        headers: { "x-team": "docs" },
        batch: true,
      },
    ],
    emulated: false,
  });
  const lane = lanes.get("azure-batch");
  if (lane?.shape !== "batch") throw new Error("no batch lane");
  expect(await lane.poll("batch_1", signal)).toMatchObject({ phase: "running" });
  expect(server.heard[0]?.path).toBe("/openai/v1/batches/batch_1");
  expect(server.heard[0]?.headers).toMatchObject({ "api-key": "k1", "x-team": "docs" });
  expect(server.heard[0]?.headers["authorization"]).toBeUndefined();
});
