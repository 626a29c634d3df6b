import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";

let dataDir: string;
let child: ChildProcess;
let base: string;

/** Starts the app as the supervisor does; resolves when it says that it is ready, with the port it took. */
async function start(): Promise<void> {
  const env = { PATH: process.env["PATH"], SLOWBOAT_DATA_DIR: dataDir, SLOWBOAT_PORT: "0", SLOWBOAT_POOL_THREADS: "1" };
  child = fork(new URL("./main.ts", import.meta.url), { env, stdio: ["ignore", "inherit", "pipe", "ipc"], execArgv: [] });
  const ready = once(child, "message");
  for await (const line of createInterface({ input: child.stderr as NodeJS.ReadableStream })) {
    const entry = JSON.parse(line) as { msg: string; port?: number };
    if (entry.msg !== "http-listening") continue;
    base = `http://127.0.0.1:${entry.port}`;
    break;
  }
  child.stderr?.resume();
  expect((await ready)[0]).toEqual({ kind: "ready" });
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "slowboat-gpu-worker-"));
  await start();
});

afterAll(async () => {
  child.kill("SIGKILL");
  await rm(dataDir, { recursive: true, force: true });
});

test("without a database it serves HTTP: health, models, figures and vectors", async () => {
  expect(await (await fetch(`${base}/healthz`)).json()).toEqual({ ok: true });
  expect((await fetch(`${base}/readyz`)).status).toBe(200);
  const models = (await (await fetch(`${base}/v1/models`)).json()) as { data: { id: string }[] };
  expect(models.data.map((model) => model.id)).toEqual(["use-lite-en", "slowboat-embed", "slowboat-classify"]);
  const response = await fetch(`${base}/v1/embeddings`, { method: "POST", body: JSON.stringify({ model: "use-lite-en", input: ["a", "b"] }) });
  expect(response.status).toBe(200);
  const stats = (await (await fetch(`${base}/stats`)).json()) as Record<string, number>;
  expect(stats).toMatchObject({ object: "pool.stats", backlog_texts: 0, texts: 2, tokens: 2 });
  expect(stats["tokens_per_second"]).toBeGreaterThan(0);
});

test("a caller that hangs up takes its texts out of the backlog", async () => {
  const controller = new AbortController();
  const input = Array.from({ length: 2_000 }, () => "word ".repeat(120));
  const given = fetch(`${base}/v1/embeddings`, { method: "POST", body: JSON.stringify({ model: "use-lite-en", input }), signal: controller.signal });
  const backlog = async (): Promise<number> => ((await (await fetch(`${base}/stats`)).json()) as { backlog_texts: number }).backlog_texts;
  while ((await backlog()) === 0);
  controller.abort();
  await expect(given).rejects.toThrow();
  // The whole call would take over five seconds; it is gone long before.
  const begun = performance.now();
  while ((await backlog()) > 0);
  expect(performance.now() - begun).toBeLessThan(2_000);
});

test("SIGTERM ends it cleanly, and it starts again on the model it has", async () => {
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
  await start();
  expect((await fetch(`${base}/readyz`)).status).toBe(200);
});
