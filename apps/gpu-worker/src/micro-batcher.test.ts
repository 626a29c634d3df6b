import type { Embed, Embedded } from "@slowboat/engine";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BatcherLimits, createMicroBatcher } from "./micro-batcher.ts";

const LIMITS: BatcherLimits = { windowMs: 1, batchTexts: 8, batchChars: 1_000, backlogTexts: 40, backlogChars: 4_000 };

/** What any engine must give back for these texts, made from the texts themselves so that a mix-up shows. */
const answerTo = (texts: readonly string[]): Embedded => ({
  vectors: texts.map((text) => Float32Array.of(text.length, text.charCodeAt(0))),
  tokens: texts.map((text) => text.length),
});

/** An engine whose batches end when the test says so. */
function steppedEngine() {
  const batches: (readonly string[])[] = [];
  const ends: { resolve: (result: Embedded) => void; reject: (error: unknown) => void }[] = [];
  const arrivals: (() => void)[] = [];
  const embed: Embed = (texts) => {
    const { promise, resolve, reject } = Promise.withResolvers<Embedded>();
    batches.push(texts);
    ends.push({ resolve, reject });
    arrivals.shift()?.();
    return promise;
  };
  const arrival = async (n: number): Promise<void> => {
    while (batches.length < n) await new Promise<void>((resolve) => arrivals.push(resolve));
  };
  return {
    embed,
    batches,
    arrival,
    finish: (n: number) => ends[n]?.resolve(answerTo(batches[n] ?? [])),
    fail: (n: number, error: Error) => ends[n]?.reject(error),
  };
}

describe("micro-batcher", () => {
  test("calls that come together share one batch and each gets its own vectors", async () => {
    const engine = steppedEngine();
    const { embed, stats } = createMicroBatcher(engine.embed, LIMITS);
    const calls = [embed(["a"]), embed(["bb", "ccc"]), embed(["dddd"])];
    await engine.arrival(1);
    expect(engine.batches).toHaveLength(1);
    expect(engine.batches[0]?.toSorted()).toEqual(["a", "bb", "ccc", "dddd"]);
    engine.finish(0);
    expect(await Promise.all(calls)).toEqual([answerTo(["a"]), answerTo(["bb", "ccc"]), answerTo(["dddd"])]);
    expect(stats()).toMatchObject({ batches: 1, texts: 4, tokens: 10, backlogTexts: 0, backlogChars: 0 });
    expect(stats().tokensPerSecond).toBeGreaterThan(0);
  });

  test("a call of one text waits for one batch at most behind a call of many", async () => {
    const engine = steppedEngine();
    const { embed } = createMicroBatcher(engine.embed, LIMITS);
    const many = embed(Array.from({ length: 30 }, () => "many"));
    await engine.arrival(1);
    const one = embed(["one"]);
    engine.finish(0);
    await engine.arrival(2);
    expect(engine.batches[1]).toContain("one");
    engine.finish(1);
    expect(await one).toEqual(answerTo(["one"]));
    for (let n = 2; n < 4; n++) {
      await engine.arrival(n + 1);
      engine.finish(n);
    }
    expect((await many).vectors).toHaveLength(30);
  });

  test("batches keep their bounds, whatever the calls", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 6 }),
        async (shapes) => {
          const seen: (readonly string[])[] = [];
          const { embed, stats } = createMicroBatcher(
            async (texts) => {
              seen.push(texts);
              return answerTo(texts);
            },
            { ...LIMITS, backlogChars: 1e6 },
          );
          const calls = shapes.map((shape) => shape.map((length, i) => String.fromCharCode(97 + i).repeat(length)));
          expect(await Promise.all(calls.map((texts) => embed(texts)))).toEqual(calls.map(answerTo));
          for (const batch of seen) {
            expect(batch.length).toBeLessThanOrEqual(LIMITS.batchTexts);
            if (batch.length > 1) expect(batch.join("").length).toBeLessThanOrEqual(LIMITS.batchChars);
          }
          expect(stats()).toMatchObject({ backlogTexts: 0, backlogChars: 0, texts: calls.flat().length });
        },
      ),
      { seed: 20261125, numRuns: 60, verbose: 1 },
    );
  });

  test("a full backlog refuses the next call at once, as something to try again, and empties", async () => {
    const engine = steppedEngine();
    const { embed, stats } = createMicroBatcher(engine.embed, LIMITS);
    const first = embed(Array.from({ length: 40 }, () => "x"));
    await expect(embed(Array.from({ length: 9 }, () => "y"))).rejects.toMatchObject({ code: "lane-unavailable", retryable: true });
    expect(stats().backlogTexts).toBe(32);
    for (let n = 0; n < 5; n++) {
      await engine.arrival(n + 1);
      engine.finish(n);
    }
    await first;
    expect(stats().backlogTexts).toBe(0);
  });

  test("a bad call is refused alone and an aborted call leaves the backlog", async () => {
    const engine = steppedEngine();
    const { embed, stats } = createMicroBatcher(engine.embed, LIMITS);
    const good = embed(["good"]);
    await expect(embed(["fine", ""])).rejects.toMatchObject({ code: "empty-input", detail: { param: "input[1]" } });
    const controller = new AbortController();
    const aborted = embed(
      Array.from({ length: 20 }, () => "gone"),
      controller.signal,
    );
    controller.abort(new Error("hung up"));
    await expect(aborted).rejects.toThrow("hung up");
    expect(stats().backlogTexts).toBeLessThanOrEqual(1);
    await engine.arrival(1);
    engine.finish(0);
    expect(await good).toEqual(answerTo(["good"]));
    expect(stats()).toMatchObject({ backlogTexts: 0, backlogChars: 0 });
  });

  test("a batch that fails fails its callers and nobody after them", async () => {
    const engine = steppedEngine();
    const { embed, stats } = createMicroBatcher(engine.embed, LIMITS);
    const doomed = embed(Array.from({ length: 20 }, () => "d"));
    const refused = expect(doomed).rejects.toThrow("broken");
    await engine.arrival(1);
    engine.fail(0, new Error("broken"));
    await refused;
    expect(stats().backlogTexts).toBe(0);
    const next = embed(["n"]);
    await engine.arrival(2);
    engine.finish(1);
    expect(await next).toEqual(answerTo(["n"]));
  });
});
