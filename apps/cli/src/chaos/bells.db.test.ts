import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createQueue } from "@slowboat/queue";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "@slowboat/store";
import { until } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";

const TEST_MS = 90_000;

let dir = "";
let server: EmbeddedPostgres | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "slowboat-bells-"));
});
afterEach(async () => {
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Starts the server, rings a bell a dispatch and hears them, in their order. `meanwhile` comes before the queue's end. */
async function hearEach(dispatchIds: readonly string[], meanwhile: (server: EmbeddedPostgres) => Promise<unknown>): Promise<string[]> {
  server = await startEmbeddedPostgres({ dir, port: 0 });
  const queue = await createQueue({ backend: "postgres", url: server.url, max: 2, onError: () => undefined });
  try {
    const heard: string[] = [];
    await queue.consume("lane-batch", 1, async ({ dispatchId }) => void heard.push(dispatchId));
    for (const dispatchId of dispatchIds) await queue.ring("lane-batch", [{ dispatchId }], { once: true });
    await until(() => heard.length >= dispatchIds.length, "each is heard", 10_000);
    await until(async () => (await queue.depth("lane-batch")) === 0, "each is done with", 10_000);
    await meanwhile(server);
    return heard;
  } finally {
    await queue.close();
  }
}

test(
  "every bell that is rung after a kill -9 of the database server is heard",
  async () => {
    const before = ["dsp_1", "dsp_2", "dsp_3"];
    const killed = hearEach(before, async ({ pid, exited }) => {
      process.kill(pid, "SIGKILL");
      await exited;
    });
    expect(await killed).toEqual(before);
    const after = ["dsp_4", "dsp_5", "dsp_1"];
    expect(await hearEach(after, async () => undefined)).toEqual(after);
  },
  TEST_MS,
);
