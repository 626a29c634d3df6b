import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { populateBatch } from "@slowboat/intake";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startIntake, type TestIntake } from "../testing/api.ts";
import { chatLine, create, upload } from "./testing/batch-caller.ts";

let intake: TestIntake;
beforeAll(async () => {
  intake = await startIntake();
});
afterAll(() => intake.stop());

const LINES = 1_000;
const LINE_CHARS = 32_768;
const MIB = 1024 * 1024;
/** A window of lines, the rows of one insert and what the driver keeps: a quarter of the input. */
const MOST_BYTES = 8 * MIB;

test("a file of 32 MB is run by a window of its lines: what is alive at any moment is a small part of it", async () => {
  setFlagsFromString("--expose_gc");
  const collect = runInNewContext("gc") as () => void;
  const alive = (): number => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const caller = intake.tenant;
  const { id } = await create(caller, (await upload(caller, chatLine("small"))).id);
  let most = 0;
  const before = alive();
  // The input as it would lie on the disk, made as it is asked for.
  async function* input(): AsyncGenerator<Uint8Array> {
    for (let line = 0; line < LINES; line++) {
      const text = chatLine(`n${line}`, {}, { messages: [{ role: "user", content: "x".repeat(LINE_CHARS) }] });
      yield Buffer.from(`${text}\n`);
      if (line % 200 === 199) most = Math.max(most, alive() - before);
    }
  }
  const blob = { ...intake.blob, get: () => input() };
  await populateBatch({ ...intake.populate, blob }, id, AbortSignal.timeout(170_000));
  expect(await caller.openai.batches.retrieve(id)).toMatchObject({ status: "in_progress", request_counts: { total: LINES } });
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThan(MOST_BYTES);
}, 180_000);
