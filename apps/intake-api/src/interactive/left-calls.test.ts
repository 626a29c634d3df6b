import type { InteractiveReply } from "@slowboat/dispatch";
import { fault } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { callPrint, isClientRetry, leftCalls } from "./left-calls.ts";

const who = { jobId: "job_1", lane: "openai", emulated: false, fallback: null, requestId: null, limits: {} } as const;
const answer = (statusCode: number): InteractiveReply => ({
  kind: "answer",
  ...who,
  statusCode,
  body: "{}",
  cachedFrom: null,
  retryAfterMs: null,
});
const failed = (code: "outcome-unknown" | "lane-unavailable"): InteractiveReply => ({ kind: "failed", ...who, fault: fault(code) });
const gone = AbortSignal.abort();

test("the reply of a caller who hung up is given to one retry; that of a caller who stayed to none", async () => {
  const calls = leftCalls();
  calls.watch(() => "left", gone, Promise.resolve(answer(200)));
  expect(await calls.take("left")).toMatchObject({ kind: "answer", statusCode: 200 });
  expect(await calls.take("left")).toBeNull();
  calls.watch(() => "stayed", new AbortController().signal, Promise.resolve(answer(200)));
  expect(await calls.take("stayed")).toBeNull();
});

test("a retry waits for a call that is still running", async () => {
  const calls = leftCalls();
  const { promise, resolve } = Promise.withResolvers<InteractiveReply>();
  calls.watch(() => "left", gone, promise);
  const taken = calls.take("left");
  resolve(answer(200));
  expect(await taken).toMatchObject({ statusCode: 200 });
});

test("what was refused or never ran is asked for again, what may have been paid for is not", async () => {
  const calls = leftCalls();
  for (const [reply, kept] of [
    [answer(429), false],
    [failed("lane-unavailable"), false],
    [failed("outcome-unknown"), true],
  ] as const) {
    calls.watch(() => "left", gone, Promise.resolve(reply));
    expect((await calls.take("left")) !== null).toBe(kept);
  }
  calls.watch(() => "left", gone, Promise.reject(fault("lane-unavailable")));
  expect(await calls.take("left")).toBeNull();
});

test("a stream that nobody heard is whole for the retry, an early break told", async () => {
  const calls = leftCalls();
  async function* events(): AsyncGenerator<string, void, undefined> {
    yield "one";
    yield "two";
    throw fault("outcome-unknown");
  }
  calls.watch(() => "left", gone, Promise.resolve({ kind: "stream", ...who, events: events() }));
  const taken = await calls.take("left");
  if (taken?.kind !== "stream") throw new Error("no stream");
  const heard: string[] = [];
  const read = async (): Promise<void> => {
    for await (const event of taken.events) heard.push(event);
  };
  await expect(read()).rejects.toThrow(/lost/);
  expect(heard).toEqual(["one", "two"]);
});

test("another key, endpoint, API version, wish or body is another call", () => {
  const call = { keyId: "k", endpoint: "/v1/messages", headers: new Headers({ "anthropic-version": "2023-06-01" }), body: "{}" };
  const others = [
    { ...call, keyId: "l" },
    { ...call, endpoint: "/v1/responses" },
    { ...call, headers: new Headers({ "anthropic-version": "2026-10-21" }) },
    { ...call, headers: new Headers({ "anthropic-version": "2023-06-01", "slowboat-deadline": "5m" }) },
    { ...call, body: "{ }" },
  ];
  expect(new Set([call, { ...call }, ...others].map(callPrint)).size).toBe(1 + others.length);
  expect(
    [{}, { "x-stainless-retry-count": "0" }, { "x-stainless-retry-count": "1" }].map((headers) =>
      isClientRetry(new Headers(headers as Record<string, string>)),
    ),
  ).toEqual([false, false, true]);
});
