import { createReadStream, createWriteStream, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { batchFile } from "../lines.ts";
import type { Apps } from "../stack/apps.ts";
import { type Client, openClient } from "../stack/client.ts";
import type { Ground } from "../stack/ground.ts";

/** What was measured of one large batch. */
export interface BulkRun {
  readonly lines: number;
  readonly bytes: number;
  /** From the first byte of the upload until the batch is in progress, every line a job. */
  readonly seconds: number;
  readonly uploadSeconds: number;
  /** Size of the results as they came out, and how long their download took. */
  readonly outputBytes: number;
  readonly downloadSeconds: number;
  /** How far the intake process's peak of resident memory rose from before the upload until after the download. */
  readonly rssGrowthBytes: number;
}

/** With it 50,000 lines make 200 MB. */
const LINE_BYTES = 4000;
const WARM_LINES = 200;
const POLL_MS = 50;
const PATIENCE_MS = 240_000;

/** Uploads a file of `lines` lines to a fresh intake process, makes a batch of it, and fetches its results. */
export async function measureBulk(ground: Ground, apps: Apps, seed: number, lines: number): Promise<BulkRun> {
  const path = join(ground.dir, "bulk.jsonl");
  await pipeline(batchFile(seed, lines, LINE_BYTES), createWriteStream(path));
  // A fresh process: after the single jobs its peak would already hold what the upload needs.
  const intake = await apps.renewIntake();
  const client = openClient(apps.url, ground.key, 2);
  try {
    await submit(client, batchFile(seed + 1, WARM_LINES, LINE_BYTES));
    const before = peakBytes(intake.pid);
    const started = performance.now();
    const { id, uploadedAt } = await submit(client, createReadStream(path, { highWaterMark: 256 * 1024 }));
    const seconds = (performance.now() - started) / 1000;
    const output = await results(client, id, lines);
    const drainedFrom = performance.now();
    const outputBytes = await client.drain(`/v1/files/${output}/content`);
    const downloadSeconds = (performance.now() - drainedFrom) / 1000;
    return {
      lines,
      bytes: lines * LINE_BYTES,
      seconds,
      uploadSeconds: (uploadedAt - started) / 1000,
      outputBytes,
      downloadSeconds,
      rssGrowthBytes: peakBytes(intake.pid) - before,
    };
  } finally {
    await client.close();
    await rm(path, { force: true });
  }
}

/** Uploads, makes a batch, and waits until its lines are jobs. */
async function submit(client: Client, content: AsyncIterable<Uint8Array>): Promise<{ id: string; uploadedAt: number }> {
  const file = await client.upload("bulk.jsonl", content);
  const uploadedAt = performance.now();
  const body = { input_file_id: file, endpoint: "/v1/chat/completions", completion_window: "24h", metadata: { allow: "realtime" } };
  const id = String((await client.post("/v1/batches", JSON.stringify(body)))["id"]);
  await until(client, id, ["in_progress", "finalizing", "completed"], ["validating"]);
  return { id, uploadedAt };
}

/** Waits until a batch has ended and gives back its output file; throws unless every line was answered. */
async function results(client: Client, id: string, lines: number): Promise<string> {
  const batch = await until(client, id, ["completed"], ["in_progress", "finalizing"]);
  const counts = batch["request_counts"] as { readonly total: number; readonly completed: number };
  if (counts.completed !== lines || counts.total !== lines) throw new Error(`the batch ended with ${JSON.stringify(counts)} of ${lines} lines`);
  return String(batch["output_file_id"]);
}

async function until(client: Client, id: string, wanted: readonly string[], before: readonly string[]): Promise<Record<string, unknown>> {
  const patience = performance.now() + PATIENCE_MS;
  for (;;) {
    const batch = await client.get(`/v1/batches/${id}`);
    const status = String(batch["status"]);
    if (wanted.includes(status)) return batch;
    if (!before.includes(status)) throw new Error(`the batch is ${status}: ${JSON.stringify(batch["errors"]).slice(0, 500)}`);
    if (performance.now() > patience) throw new Error(`the batch was still ${status} after ${PATIENCE_MS / 1000} s`);
    await pause(POLL_MS);
  }
}

/** The peak of a process's resident memory, VmHWM, in bytes. */
function peakBytes(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kib === undefined) throw new Error("the kernel does not say VmHWM; this bench needs Linux");
  return Number(kib) * 1024;
}
