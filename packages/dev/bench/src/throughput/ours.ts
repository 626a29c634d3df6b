import { openStore } from "@slowboat/store";
import { batchFile } from "../lines.ts";
import type { Child } from "../stack/child.ts";
import { type Client, openClient } from "../stack/client.ts";
import type { Ground } from "../stack/ground.ts";
import type { Receiver } from "./receiver.ts";

/** The stack as the bench drives it. */
export interface Bed {
  readonly ground: Ground;
  readonly url: string;
  /** The process in which the instant lane answers. */
  readonly lane: Child;
  readonly receiver: Receiver;
}

const BATCH_LINES = 2000;
/** Envelope and body together; the body alone is about a kilobyte. */
const LINE_BYTES = 1100;
const PATIENCE_MS = 180_000;

/**
 * `jobs` jobs through all six steps: uploaded as batches, populated, planned onto the real-time lane, called, settled with result and
 * ledger, each batch finalised and announced. Gives back jobs a second from the first upload to the last webhook; throws when anything
 * was lost, done twice or announced wrongly.
 */
export async function ourThroughput(bed: Bed, seed: number, jobs: number): Promise<number> {
  const client = openClient(bed.url, bed.ground.key, 4);
  try {
    const files = await Promise.all(
      Array.from({ length: Math.ceil(jobs / BATCH_LINES) }, (_, i) =>
        inMemory(batchFile(seed + i, Math.min(BATCH_LINES, jobs - i * BATCH_LINES), LINE_BYTES)),
      ),
    );
    const servedBefore = Number((await bed.lane.ask({}))["served"]);
    const started = performance.now();
    const batches: string[] = [];
    for (const file of files) batches.push(await submit(client, file, bed.receiver.url));
    await bed.receiver.until(batches.length, PATIENCE_MS);
    const seconds = (performance.now() - started) / 1000;
    checkWebhooks(bed, batches);
    await checkRows(bed.ground, batches, jobs);
    const served = Number((await bed.lane.ask({}))["served"]) - servedBefore;
    if (served !== jobs) throw new Error(`the lane was called ${served} times for ${jobs} jobs`);
    return jobs / seconds;
  } finally {
    await client.close();
  }
}

async function inMemory(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

async function submit(client: Client, file: Buffer, callbackUrl: string): Promise<string> {
  const id = await client.upload(
    "jobs.jsonl",
    (async function* () {
      yield file;
    })(),
  );
  const metadata = { allow: "realtime", callback_url: callbackUrl };
  const batch = await client.post(
    "/v1/batches",
    JSON.stringify({ input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h", metadata }),
  );
  return String(batch["id"]);
}

function checkWebhooks(bed: Bed, batches: readonly string[]): void {
  const events = bed.receiver.take(bed.ground.webhookSecret);
  const told = events.map((event) => `${event.type} ${event.subjectId}`).sort();
  const owed = batches.map((id) => `batch.completed ${id}`).sort();
  if (JSON.stringify(told) !== JSON.stringify(owed)) throw new Error(`the webhooks were ${told.join(", ")} where ${owed.join(", ")} were owed`);
}

/** One completed job, one result and one balanced ledger transaction a line, seen over a connection of its own. */
async function checkRows(ground: Ground, batches: readonly string[], jobs: number): Promise<void> {
  const store = openStore(ground.postgres.socketUrl, { max: 1, name: "slowboat-bench-check" });
  try {
    const [row] = await store.sql<{ jobs: number; completed: number; results: number; settled: number; txns: number; unbalanced: number }[]>`
      with mine as (select id, state from job where batch_id = any(${batches as string[]}::text[]))
      select (select count(*)::int from mine) as jobs, (select count(*)::int from mine where state = 'completed') as completed,
        (select count(*)::int from result r join mine on mine.id = r.job_id) as results,
        (select count(*)::int from attempt a join mine on mine.id = a.job_id where a.state = 'settled') as settled,
        (select count(*)::int from ledger_txn t join mine on mine.id = t.job_id) as txns,
        (select count(*)::int from (select t.id from ledger_txn t join mine on mine.id = t.job_id join ledger_entry e on e.txn_id = t.id
          group by t.id having sum(e.amount_nano) <> 0) x) as unbalanced`;
    const wanted = { jobs, completed: jobs, results: jobs, settled: jobs, txns: jobs, unbalanced: 0 };
    if (JSON.stringify({ ...row }) !== JSON.stringify(wanted))
      throw new Error(`Postgres holds ${JSON.stringify(row)} where ${JSON.stringify(wanted)} was due`);
  } finally {
    await store.close();
  }
}
