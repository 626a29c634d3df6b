import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isTrace, readTrace, traceName } from "./read-trace.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "slowboat-trace-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function write(name: string, content: string | Uint8Array): string {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
}

test("a trace of one's own is read by its header, in any order of columns and with others beside them", () => {
  const file = write("mine.csv", "tenant,arrived_at_ms,output_tokens,input_tokens,model\nacme,1500,20,300,gpt\n,2500.5,1,1,\n");
  expect(readTrace(file)).toEqual([
    { arrivedAtMs: 1500, inputTokens: 300, outputTokens: 20, tenant: "acme" },
    { arrivedAtMs: 2500.5, inputTokens: 1, outputTokens: 1, tenant: "" },
  ]);
});

test("Azure's dates are read to the tenth of a microsecond's millisecond, with Windows line ends and without a last newline", () => {
  const file = write(
    "azure.csv",
    "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:04.0319600,3180,8",
  );
  const rows = readTrace(file);
  expect(rows.map((row) => [row.inputTokens, row.outputTokens])).toEqual([
    [4808, 10],
    [3180, 8],
  ]);
  expect((rows[1]?.arrivedAtMs ?? 0) - (rows[0]?.arrivedAtMs ?? 0)).toBeCloseTo(52, 1);
});

test("Mooncake's gzipped lines are read", () => {
  const file = write("moon.jsonl.gz", gzipSync('{"timestamp": 27, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]}\n'));
  expect(readTrace(file)).toEqual([{ arrivedAtMs: 27, inputTokens: 6758, outputTokens: 500, tenant: "" }]);
});

test("a line that is no request is named", () => {
  expect(() => readTrace(write("bad.csv", "arrived_at_ms,input_tokens,output_tokens\n1,2,3\n1,two,3\n"))).toThrow("bad.csv: line 3");
  expect(() => readTrace(write("bad.jsonl", '{"arrived_at_ms":1,"input_tokens":-2,"output_tokens":3}\n'))).toThrow("bad.jsonl: line 1");
});

test("traces are told from what lies beside them", () => {
  expect(["a.csv", "a.jsonl", "a.jsonl.gz", "SOURCES.md", "a.csv.zip"].filter(isTrace)).toEqual(["a.csv", "a.jsonl", "a.jsonl.gz"]);
  expect(traceName("/x/mooncake_conversation.jsonl.gz")).toBe("mooncake_conversation");
});
