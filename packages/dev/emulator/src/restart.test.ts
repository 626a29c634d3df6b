import { type ChildProcess, fork } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { batchLine, clients, makeBatch, readme, rowsOf, started } from "./test-bed.ts";

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "emulator-"));
  undo.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The emulator as a process of its own; resolves when it has said that it is ready. */
async function forked(...args: string[]): Promise<{ child: ChildProcess; url: string; gone: Promise<number | null> }> {
  const child = fork(new URL("./main.ts", import.meta.url), ["--port", "0", ...args], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    execArgv: [],
  });
  undo.push(() => void child.kill("SIGKILL"));
  const gone = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const port = await new Promise<number>((resolve, reject) => {
    child.once("message", (message: { kind: string; port: number }) => resolve(message.port));
    child.once("exit", () => reject(new Error("the emulator did not start")));
  });
  return { child, url: `http://127.0.0.1:${port}`, gone };
}

test("after kill -9 in the middle, every charge, file and batch is still there, and the batches go on to their end", async () => {
  const journal = join(folder(), "journal.jsonl");
  const anchor = String(Date.now());
  const args = ["--journal", journal, "--real-anchor-ms", anchor, "--job-anchor-ms", anchor, "--scale", "300", "--batch-turnaround-ms", "600000"];
  const first = await forked(...args);
  const before = clients(first.url);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => before.openai.embeddings.create({ model: "text-embedding-3-small", input: `text ${i}` })),
  );
  expect(answers).toHaveLength(20);
  const { batch, file } = await makeBatch(
    before.openai,
    Array.from({ length: 50 }, (_, i) => batchLine(`l${i}`)),
  );
  const messages = await before.anthropic.messages.batches.create({
    requests: [{ custom_id: "m", params: { model: "claude-haiku-4-5", max_tokens: 50, messages: [{ role: "user", content: readme }] } }],
  });
  first.child.kill("SIGKILL");
  await first.gone;
  appendFileSync(journal, '{"kind":"charged","charge":{"nanoUsd":"9');

  const second = await forked(...args);
  const after = clients(second.url);
  const invoice = async () =>
    (await (await fetch(`${second.url}/emulator/invoice`)).json()) as { lines: { requestId: string; customId: string | null }[] };
  expect((await invoice()).lines.filter((line) => line.customId === null)).toHaveLength(20);
  expect((await after.openai.files.retrieve(file.id)).bytes).toBe(file.bytes);
  let state = await after.openai.batches.retrieve(batch.id);
  const polledUntil = Date.now() + 30_000;
  while (state.status !== "completed" && Date.now() < polledUntil) state = await after.openai.batches.retrieve(batch.id);
  expect(state.request_counts).toEqual({ total: 50, completed: 50, failed: 0 });
  expect(await rowsOf(after.openai, state.output_file_id)).toHaveLength(50);
  let ended = await after.anthropic.messages.batches.retrieve(messages.id);
  while (ended.processing_status !== "ended" && Date.now() < polledUntil) ended = await after.anthropic.messages.batches.retrieve(messages.id);
  const { lines } = await invoice();
  expect(lines).toHaveLength(71);
  expect(new Set(lines.map((line) => line.requestId)).size).toBe(71);

  second.child.kill("SIGTERM");
  expect(await second.gone).toBe(0);
  const third = await forked(...args);
  expect(await (await fetch(`${third.url}/emulator/invoice`)).json()).toMatchObject({ lines });
  third.child.disconnect();
  expect(await third.gone).toBe(0);
}, 60_000);

test("a restart changes neither what the world remembers nor the ids to come", async () => {
  const journal = join(folder(), "journal.jsonl");
  const one = await started({ journal });
  const { batch } = await makeBatch(one.openai, [batchLine("a")]);
  await one.openai.batches.cancel(batch.id);
  const old = await one.openai.files.list();
  await one.emulator.stop();
  const two = await started({ journal });
  expect((await two.openai.files.list()).data).toEqual(old.data);
  expect((await two.openai.batches.retrieve(batch.id)).status).toBe("cancelling");
  const next = await makeBatch(two.openai, [batchLine("a")]);
  expect(next.batch.id).not.toBe(batch.id);
  expect(next.file.id).not.toBe(old.data[0]?.id);
});
