import { watchLeaks } from "@slowboat/testkit";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startIntake, type TestCaller, type TestIntake } from "../testing/api.ts";
import { chatLine, create as createAs, type Terms, upload as uploadAs } from "./testing/batch-caller.ts";

const leaks = watchLeaks();
let intake: TestIntake;
let me: TestCaller;

beforeAll(async () => {
  intake = await startIntake();
  me = intake.tenant;
});
afterAll(async () => {
  await intake.stop();
  await leaks.check();
});

const upload = (content: string | Buffer, name?: string, caller = me) => uploadAs(caller, content, name);
const create = (fileId: string, terms: Terms = {}, caller = me) => createAs(caller, fileId, terms);
describe("files, with the official client", () => {
  test("what goes up comes down byte for byte, is listed, and is gone after a delete", async () => {
    const bytes = Buffer.from(`${chatLine("ü-1")}\r\n{"broken\n\u0000\xff`, "latin1");
    const file = await upload(bytes, "späte nacht.jsonl");
    expect(file).toMatchObject({ object: "file", bytes: bytes.length, filename: "späte nacht.jsonl", purpose: "batch", status: "processed" });
    expect(file.expires_at).toBe(file.created_at + 30 * 24 * 3600);
    expect(Buffer.from(await (await me.openai.files.content(file.id)).arrayBuffer())).toEqual(bytes);
    expect((await me.openai.files.retrieve(file.id)).id).toBe(file.id);
    const listed: string[] = [];
    for await (const one of me.openai.files.list({ purpose: "batch", limit: 1 })) listed.push(one.id);
    expect(listed).toContain(file.id);
    expect(await me.openai.files.delete(file.id)).toMatchObject({ id: file.id, deleted: true });
    await expect(me.openai.files.retrieve(file.id)).rejects.toThrow(OpenAI.NotFoundError);
    await expect(me.openai.files.content(file.id)).rejects.toThrow(OpenAI.NotFoundError);
    expect(await intake.blob.size(`files/${file.id}`)).toBeNull();
  });

  test("a batch file that is not .jsonl is refused in the provider's words and leaves no blob", async () => {
    await expect(upload("{}", "input.json")).rejects.toMatchObject({
      status: 400,
      error: { message: "Invalid file format for Batch API. Must be .jsonl", type: "invalid_request_error", param: null, code: null },
    });
  });

  test("a form without a file, without a purpose, or that is no form is 400", async () => {
    const send = async (form: FormData): Promise<number> =>
      (await fetch(`${intake.url}/v1/files`, { method: "POST", headers: { authorization: `Bearer ${me.key}` }, body: form })).status;
    const noFile = new FormData();
    noFile.set("purpose", "batch");
    const noPurpose = new FormData();
    noPurpose.set("file", new Blob(["x"]), "x.jsonl");
    expect([await send(noFile), await send(noPurpose)]).toEqual([400, 400]);
    expect((await me.call("POST", "/v1/files", "{}")).status).toBe(400);
    const cut = "multipart/form-data; boundary=x";
    expect(
      (
        await me.call("POST", "/v1/files", `--x\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\nabc`, {
          "content-type": cut,
        })
      ).status,
    ).toBe(400);
  });

  test("a file over the limit is 413 by its announced length", async () => {
    const { connect } = await import("node:net");
    const { hostname, port } = new URL(intake.url);
    const socket = connect(Number(port), hostname);
    const head = `POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${me.key}\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: 300000000\r\n\r\n`;
    socket.write(head);
    const reply = await new Promise<string>((resolve) => socket.once("data", (data) => resolve(data.toString())));
    socket.destroy();
    expect(reply).toMatch(/^HTTP\/1\.1 413 /);
  });

  test("an upload under an Idempotency-Key makes one file, whatever its form's boundary; another content is a conflict", async () => {
    const send = async (content: string): Promise<{ status: number; id: string; replayed: boolean }> => {
      const form = new FormData();
      form.set("purpose", "batch");
      form.set("file", new Blob([content]), "a.jsonl");
      const headers = { authorization: `Bearer ${me.key}`, "idempotency-key": "upload-1" };
      const reply = await fetch(`${intake.url}/v1/files`, { method: "POST", headers, body: form });
      return { status: reply.status, id: ((await reply.json()) as { id: string }).id, replayed: reply.headers.has("idempotent-replayed") };
    };
    const first = await send("one");
    expect(await send("one")).toEqual({ ...first, replayed: true });
    expect((await send("two")).status).toBe(409);
    expect(await intake.store.sql`select from file where filename = 'a.jsonl' and size_bytes = 3`).toHaveLength(1);
  });

  test("another tenant's file is 404 and in no list of theirs", async () => {
    const file = await upload(chatLine("a"));
    const stranger = await intake.newTenant("files");
    for (const call of [
      () => stranger.openai.files.retrieve(file.id),
      () => stranger.openai.files.delete(file.id),
      () => stranger.openai.files.content(file.id),
    ]) {
      await expect(call()).rejects.toThrow(OpenAI.NotFoundError);
    }
    expect((await stranger.openai.files.list()).data).toEqual([]);
    const batch = await create(file.id, {}, stranger);
    await intake.run(batch.id);
    const failed = await stranger.openai.batches.retrieve(batch.id);
    expect(failed).toMatchObject({ status: "failed", errors: { data: [{ code: "invalid_request", param: "file_id", line: null }] } });
  });
});

describe("models", () => {
  test("lists the models of the price book with the official client; an unknown one is 404 with its nearest", async () => {
    const ids = (await me.openai.models.list()).data.map((model) => model.id);
    expect(ids).toEqual(expect.arrayContaining(["gpt-5-mini", "claude-haiku-4-5", "use-lite-en", "slowboat-embed"]));
    expect(await me.openai.models.retrieve("slowboat-embed")).toMatchObject({ owned_by: "slowboat" });
    await expect(me.openai.models.retrieve("gpt-5-minni")).rejects.toMatchObject({ status: 404, message: expect.stringContaining("gpt-5-mini") });
  });
});
