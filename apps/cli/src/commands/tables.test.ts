import { nano } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { table } from "./jobs.ts";
import { refusalText } from "./subject.ts";

const job = (lane: string, costNano: bigint | null, met: boolean | null) => ({
  id: `job_${"0".repeat(32)}`,
  state: "completed",
  model: "claude-haiku-4-5",
  lane,
  accepted_at: "2026-11-25T22:00:00.000Z",
  deadline: "2026-11-26T06:00:00.000Z",
  deadline_met: met,
  costNano: costNano === null ? null : nano(costNano),
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
