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
  /** How far the intake process's peak of resident memory rose. */
  readonly rssGrowthBytes: number;
}

/** With it 50,000 lines make 200 MB. */
const LINE_BYTES = 4000;
const WARM_LINES = 200;
const POLL_MS = 50;
const PATIENCE_MS = 240_000;

/** Uploads a file of `lines` lines to a fresh intake process and makes a batch of it. */
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
    const { uploadedAt } = await submit(client, createReadStream(path, { highWaterMark: 256 * 1024 }));
    const seconds = (performance.now() - started) / 1000;
    return {
      lines,
      bytes: lines * LINE_BYTES,
      seconds,
      uploadSeconds: (uploadedAt - started) / 1000,
      rssGrowthBytes: peakBytes(intake.pid) - before,
    };
  } finally {
    await client.close();
    await rm(path, { force: true });
  }
}

/** Uploads, makes a batch, and waits until its lines are jobs. */
async function submit(client: Client, content: AsyncIterable<Uint8Array>): Promise<{ uploadedAt: number }> {
  const file = await client.upload("bulk.jsonl", content);
  const uploadedAt = performance.now();
  const made = await client.post("/v1/batches", JSON.stringify({ input_file_id: file, endpoint: "/v1/chat/completions", completion_window: "24h" }));
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const batch = await client.get(`/v1/batches/${String(made["id"])}`);
    if (["in_progress", "finalizing", "completed"].includes(String(batch["status"]))) return { uploadedAt };
    if (batch["status"] !== "validating")
      throw new Error(`the batch is ${String(batch["status"])}: ${JSON.stringify(batch["errors"]).slice(0, 500)}`);
    if (performance.now() > until) throw new Error("the batch was not in progress in time");
    await pause(POLL_MS);
  }
}

/** The peak of a process's resident memory, VmHWM, in bytes. */
function peakBytes(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kib === undefined) throw new Error("the kernel does not say VmHWM; this bench needs Linux");
  return Number(kib) * 1024;
}
