import type OpenAI from "openai";
import { toFile } from "openai";
import { describe, expect, test } from "vitest";
import { type OpenAiVersion, openAiOf, type Target, thrown } from "../target.ts";

type Endpoint = OpenAI.BatchCreateParams["endpoint"];
const MODEL = "gpt-5-mini";

/** A line of a batch file; `body` replaces members of the request. */
const line = (customId: string, body: object = {}, more: object = {}): string =>
  JSON.stringify({
    custom_id: customId,
    method: "POST",
    url: "/v1/chat/completions",
    body: { model: MODEL, messages: [{ role: "user", content: `Name a river for ${customId}.` }], max_completion_tokens: 12, ...body },
    ...more,
  });

const TERMINAL = ["completed", "failed", "expired", "cancelled"];

/** The Batch API through one version of the client. */
export const batchesSuite = (at: () => Target, version: OpenAiVersion): void => {
  describe(`batches, ${version}`, () => {
    const client = (): OpenAI => openAiOf(at(), version);
    const start = async (lines: readonly string[], endpoint: Endpoint = "/v1/chat/completions", metadata?: Record<string, string>) => {
      const file = await client().files.create({ file: await toFile(Buffer.from(lines.join("\n")), "night.jsonl"), purpose: "batch" });
      return await client().batches.create({ input_file_id: file.id, endpoint, completion_window: "24h", ...(metadata ? { metadata } : {}) });
    };
    const ended = async (id: string): Promise<OpenAI.Batch> => {
      let batch = await client().batches.retrieve(id);
      const isEnded = async (): Promise<boolean> => {
        batch = await client().batches.retrieve(id);
        return TERMINAL.includes(batch.status);
      };
      await at().passUntil(isEnded, `batch ${id} ends`);
      return batch;
    };
    const rows = async (fileId: string | null | undefined) => {
      const text = await (await client().files.content(fileId ?? "")).text();
      const parsed = text
        .trim()
        .split("\n")
        .map(
          (row) => JSON.parse(row) as { custom_id: string; response: { status_code: number; body: OpenAI.ChatCompletion } | null; error: unknown },
        );
      return new Map(parsed.map((row) => [row.custom_id, row]));
    };

    test("a batch is made, seen, and answers every line in its own file, what the provider refused in the other", async () => {
      const made = await start(
        [line("one"), line("zwei 🚢"), line("bad", { max_completion_tokens: -1 }), line("unfit", { temperature: 9 })],
        undefined,
        { night: "1" },
      );
      expect(made).toMatchObject({
        object: "batch",
        endpoint: "/v1/chat/completions",
        completion_window: "24h",
        status: "validating",
        request_counts: { total: 0, completed: 0, failed: 0 },
        metadata: { night: "1" },
      });
      expect(made.expires_at).toBe(made.created_at + 86_400);
      for (const absent of ["errors", "output_file_id", "error_file_id", "in_progress_at", "completed_at", "cancelled_at"])
        expect(made[absent as keyof OpenAI.Batch]).toBeNull();
      const batch = await ended(made.id);
      expect(batch).toMatchObject({
        status: "completed",
        request_counts: { total: 4, completed: 2, failed: 2 },
        model: expect.stringContaining(MODEL),
      });
      const good = await rows(batch.output_file_id);
      expect([...good.keys()].sort()).toEqual(["one", "zwei 🚢"]);
      const spent = [...good.values()].map((row) => row.response?.body.usage);
      expect(batch.usage?.input_tokens).toBe(spent.reduce((sum, usage) => sum + (usage?.prompt_tokens ?? 0), 0));
      expect(batch.usage?.output_tokens).toBe(spent.reduce((sum, usage) => sum + (usage?.completion_tokens ?? 0), 0));
      const bad = await rows(batch.error_file_id);
      expect([...bad.keys()].sort()).toEqual(["bad", "unfit"]);
      expect(bad.get("bad")).toMatchObject({ response: { status_code: 400 }, error: null });
      const output = await client().files.retrieve(batch.output_file_id ?? "");
      expect(output.purpose).toBe("batch_output");
    });

    test("the file of what went well is null where nothing did", async () => {
      const batch = await ended((await start([line("bad", { max_completion_tokens: -1 })])).id);
      expect(batch).toMatchObject({ status: "completed", output_file_id: null, request_counts: { total: 1, completed: 0, failed: 1 } });
      expect((await rows(batch.error_file_id)).size).toBe(1);
    });

    test("a file with bad lines fails the batch, every bad line by its number and code", async () => {
      const lines = [
        line("good"),
        "{nope",
        line("good"),
        line("url", {}, { url: "/v1/embeddings" }),
        line("stream", { stream: true }),
        line("none", { model: undefined }),
        line("", {}, { custom_id: undefined }),
        line("silent", { messages: undefined }),
      ];
      const batch = await ended((await start(lines)).id);
      expect(batch).toMatchObject({
        status: "failed",
        output_file_id: null,
        error_file_id: null,
        request_counts: { total: 0, completed: 0, failed: 0 },
      });
      expect(batch.failed_at).toBeGreaterThan(0);
      const listed = (batch.errors?.data ?? []).map((error) => [error.line, error.code, error.param]);
      expect(listed).toEqual([
        [2, "invalid_json_line", null],
        [3, "duplicate_custom_id", "custom_id"],
        [4, "invalid_url", "url"],
        [5, "streaming_unsupported", "body.stream"],
        [6, "invalid_request", "body.model"],
        [7, "missing_required_parameter", "custom_id"],
        [8, "missing_required_parameter", "body.messages"],
      ]);
      const unknown = await ended((await start([line("unknown", { model: "gpt-none" })])).id);
      expect(unknown.errors?.data).toMatchObject([{ line: 1, code: "model_not_found", param: "body.model" }]);
      const marked = await ended((await start([`\ufeff${line("mark")}`])).id);
      expect(marked.errors?.data).toMatchObject([{ line: 1, code: "invalid_json_line" }]);
      for (const error of batch.errors?.data ?? []) expect(error.message).toMatch(/\w/);
    });

    test("a file that is not there or not for batches fails the batch, not the call", async () => {
      const notes = await client().files.create({ file: await toFile(Buffer.from("x"), "notes.txt"), purpose: "user_data" });
      for (const id of ["file-unknown", notes.id]) {
        const made = await client().batches.create({ input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" });
        expect((await ended(made.id)).errors?.data?.[0]).toMatchObject({ code: "invalid_request", param: "file_id", line: null });
      }
    });

    test("embeddings and responses have batches, too", async () => {
      const embed = { custom_id: "e", method: "POST", url: "/v1/embeddings", body: { model: "text-embedding-3-small", input: "a river" } };
      const respond = { custom_id: "r", method: "POST", url: "/v1/responses", body: { model: MODEL, input: "A river?", max_output_tokens: 16 } };
      for (const [request, endpoint] of [
        [embed, "/v1/embeddings"],
        [respond, "/v1/responses"],
      ] as const) {
        const batch = await ended((await start([JSON.stringify(request)], endpoint)).id);
        expect(batch.request_counts).toEqual({ total: 1, completed: 1, failed: 0 });
        expect((await rows(batch.output_file_id)).size).toBe(1);
      }
    });

    test("batches are listed newest first, page by page", async () => {
      const ids: string[] = [];
      for (let i = 0; i < 3; i++) ids.unshift((await start([line("a")])).id);
      const page = await client().batches.list({ limit: 2 });
      expect(page.data.map((batch) => batch.id)).toEqual(ids.slice(0, 2));
      expect(page.has_more).toBe(true);
      const seen: string[] = [];
      for await (const batch of client().batches.list({ limit: 1 })) {
        seen.push(batch.id);
        if (seen.length === 3) break;
      }
      expect(seen).toEqual(ids);
      expect(await thrown(client().batches.list({ limit: 101 }))).toMatchObject({ status: 400 });
    });

    test("a batch is cancelled; one that has ended cannot be", async () => {
      const made = await start([line("a"), line("b")]);
      const cancelling = await client().batches.cancel(made.id);
      expect(["cancelling", "cancelled"]).toContain(cancelling.status);
      expect(cancelling.cancelling_at).toBeGreaterThan(0);
      expect(await ended(made.id)).toMatchObject({ status: "cancelled", completed_at: null });
      const failed = await ended((await start(["{nope"])).id);
      const refused = await thrown(client().batches.cancel(failed.id));
      expect(refused["status"]).toBeGreaterThanOrEqual(400);
      expect(refused["status"]).toBeLessThan(500);
      expect(refused.message).toContain("Cannot cancel a batch with status 'failed'.");
    });

    test("an unknown batch is 404, a missing or wrong parameter 400, each in the provider's words", async () => {
      expect(await thrown(client().batches.retrieve("batch_none"))).toMatchObject({
        status: 404,
        error: { message: "No batch found with id 'batch_none'.", type: "invalid_request_error", param: null, code: null },
      });
      const create = (body: object): Promise<unknown> => client().batches.create(body as OpenAI.BatchCreateParams);
      expect(await thrown(create({ endpoint: "/v1/chat/completions", completion_window: "24h" }))).toMatchObject({
        status: 400,
        error: {
          message: "Missing required parameter: 'input_file_id'.",
          type: "invalid_request_error",
          param: "input_file_id",
          code: "missing_required_parameter",
        },
      });
      expect(await thrown(create({ input_file_id: "file-x", endpoint: "/v1/nothing", completion_window: "24h" }))).toMatchObject({ status: 400 });
      const metadata = { key: "v".repeat(513) };
      const wrong = { input_file_id: "file-x", endpoint: "/v1/chat/completions", completion_window: "24h", metadata };
      expect(await thrown(create(wrong))).toMatchObject({ status: 400, param: expect.stringMatching(/^metadata/) });
    });
  });
};
