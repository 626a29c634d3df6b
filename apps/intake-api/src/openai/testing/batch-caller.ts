import type OpenAI from "openai";
import { toFile } from "openai";
import type { TestCaller, TestIntake } from "../../testing/api.ts";

/** A line of a batch file that asks for a chat completion. */
export const chatLine = (id: string, more: Record<string, unknown> = {}, body: Record<string, unknown> = {}): string =>
  JSON.stringify({
    custom_id: id,
    method: "POST",
    url: "/v1/chat/completions",
    body: { model: "gpt-5-mini", messages: [{ role: "user", content: `Summarise ${id}.` }], max_completion_tokens: 20, ...body },
    ...more,
  });

export type Terms = Partial<OpenAI.BatchCreateParams> & { completion_window?: string };

/** Uploads a batch's input with the official client. */
export const upload = async (caller: TestCaller, content: string | Buffer, name = "input.jsonl"): Promise<OpenAI.FileObject> =>
  await caller.openai.files.create({ file: await toFile(Buffer.from(content), name), purpose: "batch" });

/** Makes a batch of an uploaded file. */
export const create = async (caller: TestCaller, fileId: string, terms: Terms = {}): Promise<OpenAI.Batch> =>
  await caller.openai.batches.create({
    input_file_id: fileId,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
    ...terms,
  } as OpenAI.BatchCreateParams);

/** Uploads, creates, populates and retrieves. */
export async function batchOf(intake: TestIntake, caller: TestCaller, content: string | Buffer, terms: Terms = {}): Promise<OpenAI.Batch> {
  const { id } = await create(caller, (await upload(caller, content)).id, terms);
  await intake.run(id);
  return await caller.openai.batches.retrieve(id);
}
