import type OpenAI from "openai";
import { toFile } from "openai";
import { describe, expect, test } from "vitest";
import { type OpenAiVersion, openAiOf, type Target, thrown } from "../target.ts";

/** The Files API through one version of the client. */
export const filesSuite = (at: () => Target, version: OpenAiVersion): void => {
  describe(`files, ${version}`, () => {
    const client = (): OpenAI => openAiOf(at(), version);
    const upload = async (content: string | Buffer, name: string, more: object = {}): Promise<OpenAI.FileObject> =>
      await client().files.create({ file: await toFile(Buffer.from(content), name), purpose: "batch", ...more });

    test("a file goes up, is waited for, comes down byte for byte, and is gone after its deletion", async () => {
      const bytes = Buffer.from('{"custom_id":"ü"}\r\nno JSON \x00\xff\n', "latin1");
      const file = await upload(bytes, "späte nacht.jsonl");
      expect(file).toMatchObject({ object: "file", bytes: bytes.length, filename: "späte nacht.jsonl", purpose: "batch", status: "processed" });
      expect(file.expires_at).toBe(file.created_at + 30 * 86_400);
      expect((await client().files.waitForProcessing(file.id)).id).toBe(file.id);
      expect(await client().files.retrieve(file.id)).toEqual(file);
      const down = await client().files.content(file.id);
      expect(Buffer.from(await down.arrayBuffer())).toEqual(bytes);
      expect(await client().files.delete(file.id)).toEqual({ id: file.id, object: "file", deleted: true });
      const { files } = client();
      for (const call of [() => files.retrieve(file.id), () => files.content(file.id), () => files.delete(file.id)])
        expect(await thrown(call())).toMatchObject({ status: 404, type: "invalid_request_error", code: null });
    });

    test("files are listed page by page, newest first or oldest first, and by purpose", async () => {
      const ids: string[] = [];
      for (const name of ["a.jsonl", "b.jsonl", "c.jsonl"]) ids.push((await upload("{}\n", name)).id);
      const other = await upload("text", "notes.txt", { purpose: "user_data" });
      expect(other.expires_at ?? null).toBeNull();
      const listed = async (query: object): Promise<string[]> => {
        const seen: string[] = [];
        for await (const file of client().files.list(query)) seen.push(file.id);
        return seen.filter((id) => [...ids, other.id].includes(id));
      };
      expect(await listed({ limit: 1, purpose: "batch", order: "asc" })).toEqual(ids);
      expect(await listed({ limit: 2, order: "desc" })).toEqual([other.id, ...ids.toReversed()]);
      const page = await client().files.list({ limit: 1 });
      expect(page.has_more).toBe(true);
      expect((await page.getNextPage()).data).toHaveLength(1);
      expect(await thrown(client().files.list({ limit: 0 }))).toMatchObject({ status: 400 });
    });

    test("a file for batches that is not .jsonl is refused in the provider's words", async () => {
      expect(await thrown(upload("{}", "input.json"))).toMatchObject({
        status: 400,
        error: { message: "Invalid file format for Batch API. Must be .jsonl", type: "invalid_request_error", param: null, code: null },
      });
    });

    test("a life that is asked for is kept, one out of bounds is refused", async () => {
      const file = await upload("{}\n", "a.jsonl", { expires_after: { anchor: "created_at", seconds: 3600 } });
      expect(file.expires_at).toBe(file.created_at + 3600);
      expect(await thrown(upload("{}\n", "a.jsonl", { expires_after: { anchor: "created_at", seconds: 60 } }))).toMatchObject({ status: 400 });
    });
  });
};
