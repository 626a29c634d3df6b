import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { wireSchemas } from "../wire-schemas.ts";
import { schemaFiles } from "./schema-files.ts";

test("the schemas are those of the clients' types as they are installed", () => {
  for (const [path, text] of schemaFiles())
    expect(readFileSync(path, "utf8") === text, `${path}: run npm run schemas -w @slowboat/compat`).toBe(true);
});

const batch = {
  id: "batch_1",
  object: "batch",
  endpoint: "/v1/chat/completions",
  errors: null,
  input_file_id: "file-1",
  completion_window: "24h",
  status: "validating",
  output_file_id: null,
  created_at: 1,
  request_counts: { total: 0, completed: 0, failed: 0 },
};

test("what the wire says passes, nulls for what is not there included", () => {
  const check = wireSchemas(false);
  expect(check("openai", "batch", batch)).toEqual([]);
  expect(check("openai", "error", { error: { message: "m", type: "t", param: null, code: null } })).toEqual([]);
  expect(check("anthropic", "error", { type: "error", error: { type: "request_too_large", message: "m" }, request_id: "req_1" })).toEqual([]);
});

test("a wrong word, a missing member, a wrong type and a member that no client knows are seen", () => {
  const check = wireSchemas(false);
  const { status: _status, ...rest } = batch;
  for (const wrong of [rest, { ...batch, status: "done" }, { ...batch, created_at: "1" }, { ...batch, outputFileId: null }, { ...batch, id: null }])
    expect(check("openai", "batch", wrong)).not.toEqual([]);
  expect(check("openai", "error", { error: { message: "m", type: "t" } })).not.toEqual([]);
  expect(check("openai", "event", { type: "response.unheard_of", sequence_number: 1 })).not.toEqual([]);
  expect(check("anthropic", "error", { error: { message: "m", type: "t", param: null, code: null } })).not.toEqual([]);
  expect(check("anthropic", "row", { custom_id: "a", result: { type: "errored", error: { type: "api_error", message: "m" } } })).not.toEqual([]);
  expect(check("anthropic", "row", { custom_id: "a", result: { type: "expired" } })).toEqual([]);
});

test("members of ours are known to us alone", () => {
  const model = { id: "m", object: "model", created: 0, owned_by: "openai", endpoints: ["/v1/chat/completions"] };
  expect(wireSchemas(true)("openai", "model", model)).toEqual([]);
  expect(wireSchemas(false)("openai", "model", model)).not.toEqual([]);
});
