import { isFault, seededRng } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { makeApiKey, readApiKey } from "./api-key.ts";
import { addUsage, ENDPOINTS, expandLanes, isEndpoint, LANE_IDS, laneClass, NO_USAGE, totalInput } from "./index.ts";
import { readJobRequest } from "./job-request.ts";

const faultOf = (run: () => unknown): { code: string; param: string | undefined; message: string } => {
  try {
    run();
  } catch (error) {
    if (isFault(error)) return { code: error.code, param: error.detail.param, message: error.message };
    throw error;
  }
  throw new Error("no fault");
};

test("a class of lanes stands for its lanes, a lane for itself, and each is listed once", () => {
  expect(expandLanes(["batch", "openai-batch", "pool"], "allow")).toEqual(["openai-batch", "anthropic-batch", "pool"]);
  expect(expandLanes(["cache", "pool", "batch", "flex", "realtime"], "allow").sort()).toEqual([...LANE_IDS].sort());
  expect(expandLanes(["batch", "groq"], "allow", ["groq", "groq-batch"])).toEqual(["openai-batch", "anthropic-batch", "groq-batch", "groq"]);
  expect(LANE_IDS.map(laneClass)).toEqual(["cache", "pool", "batch", "batch", "flex", "realtime", "realtime"]);
});

test("an unknown lane is named beside the known ones", () => {
  const found = faultOf(() => expandLanes(["batches"], "deny"));
  expect(found).toMatchObject({ code: "invalid-request", param: "deny" });
  expect(found.message).toMatch(/'batches'.*openai-flex/);
});

test("endpoints are known by their whole path only", () => {
  for (const endpoint of ENDPOINTS) expect(isEndpoint(endpoint)).toBe(true);
  for (const path of ["/v1/chat", "/v1/embeddings/", "v1/embeddings", ""]) expect(isEndpoint(path)).toBe(false);
});

test("usage adds class by class, and reasoning is never counted beside output", () => {
  const one = { ...NO_USAGE, input: 1, cacheRead: 2, cacheWrite5m: 3, cacheWrite30m: 4, cacheWrite1h: 5, cacheWrite12h: 6, output: 7, reasoning: 2 };
  expect(totalInput(one)).toBe(21);
  expect(addUsage(one, one)).toEqual({
    ...NO_USAGE,
    input: 2,
    cacheRead: 4,
    cacheWrite5m: 6,
    cacheWrite30m: 8,
    cacheWrite1h: 10,
    cacheWrite12h: 12,
    output: 14,
    reasoning: 4,
  });
  expect(addUsage(one, NO_USAGE)).toEqual(one);
});

test("a made key reads back; one wrong character anywhere is told as mistyped before any look-up", () => {
  const rng = seededRng(20_261_123);
  for (let i = 0; i < 20; i++) {
    const key = makeApiKey(rng);
    expect(readApiKey(key.text)).toEqual(key);
    for (let at = "slowboat_live_".length; at < key.text.length; at++) {
      const other = key.text.charAt(at) === "x" ? "y" : "x";
      expect(readApiKey(key.text.slice(0, at) + other + key.text.slice(at + 1))).toBe("mistyped");
    }
  }
  expect(readApiKey("sk-anything")).toBeNull();
});

test("a native job's envelope is read; a misspelt field is answered with the right one", () => {
  const body = { model: "m", messages: [] };
  expect(readJobRequest({ body, deadline: "4h", max_cost_usd: "0.5", allow: ["batch"] })).toMatchObject({ deadline: "4h", body });
  expect(readJobRequest({ request: { endpoint: "/v1/messages", body } }).request?.endpoint).toBe("/v1/messages");
  expect(faultOf(() => readJobRequest({ body, dedline: "4h" }))).toMatchObject({
    code: "invalid-request",
    param: "dedline",
    message: "Unknown field 'dedline'. Did you mean 'deadline'?",
  });
  expect(faultOf(() => readJobRequest({}))).toMatchObject({ code: "missing-parameter", param: "body" });
  expect(faultOf(() => readJobRequest({ body, request: { body } }))).toMatchObject({ code: "invalid-request", param: "body" });
  expect(faultOf(() => readJobRequest({ body, metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, "v"])) }))).toMatchObject({
    param: "metadata",
  });
});
