import { nano } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { notesOf, table } from "./jobs.ts";
import { refusalText, standInOf, waitingOf } from "./subject.ts";

const job = (lane: string, costNano: bigint | null, met: boolean | null) => ({
  id: `job_${"0".repeat(32)}`,
  state: "completed",
  model: "claude-haiku-4-5",
  lane,
  accepted_at: "2026-11-25T22:00:00.000Z",
  deadline: "2026-11-26T06:00:00.000Z",
  deadline_met: met,
  costNano: costNano === null ? null : nano(costNano),
  notes: [],
});

test("the table of jobs fits 80 columns with id, state, lane and cost, and shows everything where there is room", () => {
  const rows = [job("anthropic-batch", 407_500n, true), job("openai", 1_000_000n, false), job("cache", null, null)];
  const narrow = table(rows, 80).split("\n");
  for (const line of narrow) expect(line.length).toBeLessThanOrEqual(80);
  expect(narrow[0]).toMatch(/^ID +STATE +LANE +COST$/);
  expect(narrow[1]).toContain("$0.0004075");
  expect(narrow[2]).toMatch(/late +openai +\$0\.0010000$/);
  expect(table(rows, null).split("\n")[0]).toMatch(/^ID +STATE +LANE +COST +DEADLINE +MODEL +ACCEPTED$/);
});

test("a job that is held says what it waits for, and one that another model answered says which, why and what that changed", () => {
  const fallback = { name: "claude-haiku-4-5", why: "gpt-5-mini cannot answer (openai: its provider is failing)", notes: ["seed: is left out"] };
  const answered = standInOf({ model: "gpt-5-mini", waiting: null, decision: { fallback } });
  expect(answered).toBe("claude-haiku-4-5 stands in for gpt-5-mini: gpt-5-mini cannot answer (openai: its provider is failing) (seed: is left out)");
  const held = waitingOf({ waiting: "openai-batch: waits for room", waiting_until: "2026-11-26T06:00:00.000Z" });
  expect(held).toBe("waits: openai-batch: waits for room (looked at again at 2026-11-26T06:00:00.000Z at the latest)");
  expect(standInOf({ model: "gpt-5-mini", decision: { lane: "openai" } })).toBeNull();
  expect([standInOf({ decision: null }), waitingOf({ waiting: null, waiting_until: null })]).toEqual([null, null]);
  expect(
    notesOf([
      { id: "job_1", notes: [held ?? ""] },
      { id: "job_2", notes: [] },
    ]),
  ).toEqual([`job_1 ${held}`]);
});

test("a refused batch is told with every line that is wrong", () => {
  const refusals = [
    { line: 2, code: "invalid_json_line", message: "This line is not parseable as valid JSON." },
    { line: null, code: "empty_file", message: "The file is empty." },
  ];
  const text = refusalText({ id: "batch_1", kind: "batch", state: "failed", ended: true, done: 0, failed: 0, total: 0, refusals, raw: {} });
  expect(text).toContain("2 errors");
  expect(text).toContain("line 2: invalid_json_line: This line is not parseable");
  expect(text).toContain("the file: empty_file");
});
