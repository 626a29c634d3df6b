import { testJob } from "@slowboat/testkit";
import type { LoggedAnswer, NewAttempt, NewJob } from "../index.ts";

/** The job of an interactive call. */
export const callJob = (tenantId: string, id: string, more: Partial<NewJob> = {}): NewJob =>
  testJob({
    id: `job_${id}`,
    tenantId,
    keyId: "key",
    surface: "openai",
    state: "placed",
    body: '{"n":12345678901234567890,"t":"\\u0000 \\ud83d 🛶 \\"x\\\\"}',
    bodyBytes: 9,
    outputTokensEst: 2,
    acceptedAtMs: 1000,
    lane: "openai",
    attemptId: `att_${id}`,
    attempts: 1,
    ...more,
  });

/** Its first attempt, being sent. */
export const callAttempt = (tenantId: string, id: string, more: Partial<NewAttempt> = {}): NewAttempt => ({
  id: `att_${id}`,
  jobId: `job_${id}`,
  tenantId,
  seq: 1,
  lane: "openai",
  account: "a",
  dispatchId: null,
  state: "sending",
  sourceAttemptId: null,
  role: "try",
  decision: '{"why":"\\"quoted\\""}',
  estimateNano: null,
  pricesVersion: "v",
  emulated: false,
  createdAtMs: 1000,
  ...more,
});

/** What the provider said to it. */
export const callAnswer = (id: string, body = '{"a":"\\u0000 \\ud83d 🛶"}', errorCode: string | null = null): LoggedAnswer => ({
  attemptId: `att_${id}`,
  statusCode: 200,
  body,
  requestId: `req_${id}`,
  errorCode,
  reading: { usage: '{"u":1}', tier: "default", finish: "stop", quarantine: null },
});
