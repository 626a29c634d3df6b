import type Anthropic from "@anthropic-ai/sdk";
import { describe, expect, test } from "vitest";
import { type AnthropicVersion, anthropicOf, type Target, thrown } from "../target.ts";

type Batch = Anthropic.Messages.MessageBatch;
type Result = Anthropic.Messages.MessageBatchResult;
const MODEL = "claude-haiku-4-5";

const request = (customId: string, params: object = {}) => ({
  custom_id: customId,
  params: { model: MODEL, max_tokens: 16, messages: [{ role: "user" as const, content: `Name a river for ${customId}.` }], ...params },
});

/** The Message Batches API through one version of the client. */
export const messageBatchesSuite = (at: () => Target, version: AnthropicVersion): void => {
  describe(`message batches, ${version}`, () => {
    const batches = (): Anthropic["messages"]["batches"] => anthropicOf(at(), version).messages.batches;
    const start = (...requests: ReturnType<typeof request>[]): Promise<Batch> => batches().create({ requests });
    const ended = async (id: string): Promise<Batch> => {
      let batch = await batches().retrieve(id);
      const isEnded = async (): Promise<boolean> => {
        batch = await batches().retrieve(id);
        return batch.processing_status === "ended";
      };
      await at().passUntil(isEnded, `batch ${id} ends`);
      return batch;
    };
    const resultsOf = async (id: string): Promise<Map<string, Result>> => {
      const found = new Map<string, Result>();
      for await (const row of await batches().results(id)) found.set(row.custom_id, row.result);
      return found;
    };

    test("a batch is made, seen, ends and gives a result for every request", async () => {
      const made = await start(request("one"), request("two"), request("no-model", { model: "claude-none" }), request("bad", { max_tokens: 0 }));
      expect(made).toMatchObject({
        type: "message_batch",
        processing_status: "in_progress",
        request_counts: { processing: 4, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
        results_url: null,
        ended_at: null,
        archived_at: null,
        cancel_initiated_at: null,
      });
      expect(Date.parse(made.expires_at) - Date.parse(made.created_at)).toBe(86_400_000);
      expect(await thrown(batches().results(made.id))).toBeInstanceOf(Error);
      const batch = await ended(made.id);
      expect(batch.request_counts).toEqual({ processing: 0, succeeded: 2, errored: 2, canceled: 0, expired: 0 });
      expect(batch.results_url).toBe(`${at().url}/v1/messages/batches/${made.id}/results`);
      const results = await resultsOf(made.id);
      expect([...results.keys()].sort()).toEqual(["bad", "no-model", "one", "two"]);
      expect(results.get("one")).toMatchObject({ type: "succeeded", message: { type: "message", role: "assistant" } });
      expect(results.get("no-model")).toMatchObject({ type: "errored", error: { type: "error", error: { type: "not_found_error" } } });
      expect(results.get("bad")).toMatchObject({ type: "errored", error: { type: "error", error: { type: "invalid_request_error" } } });
    });

    test("a batch is listed newest first, page by page, forth and back", async () => {
      const ids: string[] = [];
      for (let i = 0; i < 3; i++) ids.unshift((await start(request("a"))).id);
      const page = await batches().list({ limit: 2 });
      expect(page.data.map((batch) => batch.id)).toEqual(ids.slice(0, 2));
      expect(page).toMatchObject({ has_more: true, first_id: ids[0], last_id: ids[1] });
      expect((await page.getNextPage()).data[0]?.id).toBe(ids[2]);
      const back = await batches().list({ limit: 1, before_id: ids[2] ?? "" });
      expect(back.data.map((batch) => batch.id)).toEqual([ids[1]]);
      expect(await thrown(batches().list({ limit: 0 }))).toMatchObject({ status: 400 });
    });

    test("a batch is canceled and its requests with it; it can be deleted when it has ended, not before", async () => {
      let made = await start(request("a"), request("b"));
      expect(await thrown(batches().delete(made.id))).toMatchObject({
        status: 400,
        message: expect.stringContaining("In progress batches cannot be deleted. Consider canceling the batch instead."),
      });
      const canceled = async (): Promise<unknown> => {
        const canceling = await batches().cancel(made.id);
        expect(canceling.cancel_initiated_at).not.toBeNull();
        return (await ended(made.id)).request_counts;
      };
      const counts = { processing: 0, succeeded: 0, errored: 0, canceled: 2, expired: 0 };
      let seen = await canceled();
      // What was answered before the cancel came keeps its answer; then another batch is canceled.
      for (let tries = 0; tries < 8 && JSON.stringify(seen) !== JSON.stringify(counts); tries++) {
        made = await start(request("a"), request("b"));
        seen = await canceled();
      }
      expect(seen).toEqual(counts);
      expect([...(await resultsOf(made.id)).values()]).toEqual([{ type: "canceled" }, { type: "canceled" }]);
      expect(await batches().delete(made.id)).toEqual({ id: made.id, type: "message_batch_deleted" });
      expect(await thrown(batches().retrieve(made.id))).toMatchObject({ status: 404 });
    });

    test("problems of custom_id are told at once, in the provider's words", async () => {
      const told = async (requests: unknown[]): Promise<unknown> =>
        (await thrown(batches().create({ requests } as Anthropic.Messages.BatchCreateParams)))["error"];
      const says = (message: string) => ({ type: "error", error: { type: "invalid_request_error", message } });
      expect(await told([request("dup"), request("dup")])).toMatchObject(
        says("requests: custom_id's must be unique within a batch. Duplicate custom_id found: dup"),
      );
      expect(await told([{ params: request("x").params }])).toMatchObject(says("requests.0.custom_id: Field required"));
      expect(await told([request("x".repeat(65))])).toMatchObject(says("requests.0.custom_id: String should have at most 64 characters"));
      expect(await told([request("a b")])).toMatchObject(says("requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"));
      expect(await told([])).toMatchObject(says("requests: List should have at least 1 item after validation, not 0"));
    });

    test("an unknown batch is 404, and results before the end are not there", async () => {
      expect(await thrown(batches().retrieve("msgbatch_none"))).toMatchObject({
        status: 404,
        error: { type: "error", error: { type: "not_found_error", message: "Message Batch msgbatch_none not found." } },
      });
      const made = await start(request("a"));
      const early = await at().witness.fetch(`${at().url}/v1/messages/batches/${made.id}/results`, {
        headers: { "x-api-key": at().key, "anthropic-version": "2023-06-01" },
      });
      expect(early.status).toBe(404);
      expect(await early.json()).toMatchObject({ error: { message: `Message Batch ${made.id} has no available results.` } });
    });

    test("who polls is told when to look again", async () => {
      const made = await start(request("a"));
      const { response } = await batches().retrieve(made.id).withResponse();
      expect(response.headers.get("retry-after")).toBe("10");
    });
  });
};
