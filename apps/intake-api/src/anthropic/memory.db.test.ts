import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createKey, createTenant } from "@slowboat/intake";
import { systemRng } from "@slowboat/runtime";
import { orm, table } from "@slowboat/store";
import { type TestDatabase, testDatabase } from "@slowboat/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const SECRET = "6".repeat(64);
const LINUX = process.platform === "linux";
let database: TestDatabase;
let folder: string;
let child: ChildProcess;
let url: string;
let key: string;

beforeAll(async () => {
  if (!LINUX) return;
  database = await testDatabase();
  folder = await mkdtemp(join(tmpdir(), "slowboat-memory-"));
  const nowMs = Date.now();
  await orm(database.store.sql).insert(table.clock).values({ id: 1, realAnchorMs: nowMs, jobAnchorMs: nowMs, scale: 1, seenRealMs: nowMs });
  const tenantId = await createTenant(database.store.sql, { name: "mine", nowMs, rng: systemRng() });
  key = (await createKey(database.store.sql, { tenantId, name: "test", secret: SECRET, nowMs, rng: systemRng() }))?.key ?? "";
  const env = {
    ...process.env,
    DATABASE_URL: database.url,
    SLOWBOAT_DATA_DIR: folder,
    SLOWBOAT_PORT: "0",
    SLOWBOAT_SECRET: SECRET,
    NODE_OPTIONS: "",
  };
  child = spawn(process.execPath, [new URL("../main.ts", import.meta.url).pathname], { env, stdio: ["ignore", "ignore", "pipe"] });
  url = await listening(child);
});
afterAll(async () => {
  if (!LINUX) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  await gone;
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

/** Waits for the log line that names the port; the rest of the log is read and let go. */
async function listening(process: ChildProcess): Promise<string> {
  const lines = createInterface({ input: process.stderr as NodeJS.ReadableStream });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  lines.on("line", (line) => {
    const said = line.startsWith("{") ? (JSON.parse(line) as { msg: string; port?: number }) : { msg: line };
    if (said.msg === "api-listening") resolve(`http://127.0.0.1:${said.port}`);
  });
  process.once("exit", (code) => reject(new Error(`the intake API ended with ${code} before it listened`)));
  return await promise;
}

/** The process's peak resident memory so far, in MiB. */
const peakMiB = async (): Promise<number> => Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${child.pid}/status`, "utf8"))?.[1]) / 1024;

async function* largeBatch(): AsyncGenerator<Uint8Array> {
  const text = "z".repeat(2250);
  let buffer = '{"requests":[';
  for (let i = 0; i < 100_000; i++) {
    buffer += `${i === 0 ? "" : ","}{"custom_id":"r-${i}","params":{"model":"claude-haiku-4-5","max_tokens":10,"messages":[{"role":"user","content":"${text}"}]}}`;
    if (buffer.length < 65_536) continue;
    yield Buffer.from(buffer);
    buffer = "";
  }
  yield Buffer.from(`${buffer}]}`);
}

const send = (body: unknown): Promise<Response> =>
  fetch(`${url}/v1/messages/batches`, {
    method: "POST",
    body: body as string,
    duplex: "half",
    headers: { "x-api-key": key, "anthropic-version": "2023-06-01", "content-type": "application/json" },
  } as RequestInit);

describe("memory of the intake API", () => {
  test.skipIf(!LINUX)(
    "a message batch of 100,000 requests and 240 MB goes in with less than 150 MB of growth (Linux only: it reads /proc)",
    async () => {
      expect((await send('{"requests":[{"custom_id":"warm","params":{}}]}')).status).toBe(200);
      // From here on, whatever the start took.
      await writeFile(`/proc/${child.pid}/clear_refs`, "5");
      const before = await peakMiB();
      const started = performance.now();
      const response = await send(largeBatch());
      expect(response.status).toBe(200);
      expect(((await response.json()) as { request_counts: { processing: number } }).request_counts.processing).toBe(100_000);
      const grown = (await peakMiB()) - before;
      console.info(
        `240 MB accepted in ${Math.round(performance.now() - started)} ms; the process grew by ${Math.round(grown)} MiB from ${Math.round(before)}`,
      );
      expect(grown).toBeLessThan(150);
    },
    60_000,
  );
});
