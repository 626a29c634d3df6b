import { until } from "@slowboat/testkit";
import { afterEach, expect, test } from "vitest";
import { audit, unfinished } from "./testing/audit.ts";
import { type Installation, startInstallation } from "./testing/installation.ts";
import { heldLeases, midWork, stillHeld } from "./testing/moments.ts";
import { PARTS, type Part } from "./testing/processes.ts";
import { type Receiver, startReceiver } from "./testing/receiver.ts";
import { type Accepted, sizeOf, submitter, type WaveSize } from "./testing/work.ts";

const TEST_MS = 180_000;
const DRAIN_MS = 70_000;
const WAVE: WaveSize = { chat: 120, hurried: 60, messages: 50, embeddings: 80, native: 24 };

let at: Installation;
let receiver: Receiver;
let accepted: Accepted;

async function begin(env: Record<string, string> = {}): Promise<void> {
  receiver = await startReceiver();
  at = await startInstallation({ SLOWBOAT_CALLBACK_ALLOW: receiver.hostPort, ...env });
  accepted = { batches: [], jobs: [] };
}

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") console.error(`${(await unfinished(at).catch(() => [])).join("\n")}\n${at.words()}`);
  await at.remove();
  await receiver.close();
});

/** Once Postgres was killed a look at it may fail; it counts as not yet. */
const soon = (look: () => Promise<boolean>, what: string, ms: number): Promise<void> => until(() => look().catch(() => false), what, ms);

async function killAndMeasure(part: Part): Promise<string> {
  const held = await heldLeases(at).catch(() => []);
  const pid = await at.kill(part);
  const from = performance.now();
  await soon(async () => at.replaced(part, pid), `${part} is back`, 20_000);
  const back = performance.now() - from;
  await soon(async () => (await stillHeld(at, held)) === 0, `what ${part} held is free`, 150_000);
  return `${part}: back after ${Math.round(back)} ms, its ${held.length} leases free after ${Math.round(performance.now() - from)} ms`;
}

test(
  "killing every process in turn during 2,000 jobs loses no job, doubles no ledger entry and pays nothing unseen",
  async () => {
    await begin();
    const submit = submitter(at, receiver.url, accepted);
    const t0 = performance.now();
    for (const part of PARTS) {
      const submitting = submit(part, WAVE);
      if (part === "intake-api") await until(() => accepted.jobs.length > WAVE.native / 4, "the intake is in the middle of it");
      const busy = part === "intake-api" || (await midWork(at, part));
      console.log(`${Math.round(performance.now() - t0)} busy=${busy} ${await killAndMeasure(part)}`);
      await submitting;
    }
    expect(accepted.jobs.length + accepted.batches.reduce((n, b) => n + b.customIds.length, 0)).toBe(PARTS.length * sizeOf(WAVE));
    await soon(async () => (await unfinished(at)).length === 0, "everything has ended", DRAIN_MS);
    console.log("drained", Math.round(performance.now() - t0));
    expect(await audit(at, accepted, receiver.deliveries)).toEqual([]);
    expect(await at.stop()).toBe(0);
  },
  TEST_MS,
);
