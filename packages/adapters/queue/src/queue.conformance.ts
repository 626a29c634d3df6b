import { fork } from "node:child_process";
import { until } from "@slowboat/testkit";
import { afterEach, expect, test } from "vitest";
import { type Consumer, createQueue, type Queue, type QueueOptions } from "./index.ts";

/** What a backend gives the suite: settings of an empty place of its own, and its end. */
export interface Place {
  readonly options: QueueOptions;
  /** Puts a payload that no version of ours would. */
  addForeign(queueName: string, data: unknown): Promise<void>;
  /** Runs after every queue is closed, and fails on what they left open. */
  end(): Promise<void>;
}

const batchIds = (count: number): { batchId: string }[] => Array.from({ length: count }, (_, i) => ({ batchId: `batch_${i}` }));

/** The promises of the bell, kept by every backend. */
export function queueConformance(open: () => Promise<Place>): void {
  const places: Place[] = [];
  const queues: Queue[] = [];
  const place = async (): Promise<Place> => {
    const made = await open();
    places.push(made);
    return made;
  };
  const openQueue = async (options: QueueOptions): Promise<Queue> => {
    const made = await createQueue(options);
    queues.push(made);
    return made;
  };
  afterEach(async () => {
    await Promise.all(queues.splice(0).map((one) => one.close()));
    await Promise.all(places.splice(0).map((one) => one.end()));
  });

  test("a thousand payloads rung in one call are each handled, by consumers of two processes' queues", async () => {
    const { options } = await place();
    const [a, b] = [await openQueue(options), await openQueue(options)];
    const seen = new Set<string>();
    const handle = async ({ batchId }: { batchId: string }): Promise<void> => void seen.add(batchId);
    await a.consume("populate", 10, handle);
    await b.consume("populate", 10, handle);
    await a.ring("populate", batchIds(1000));
    await until(() => seen.size === 1000, "a thousand handled");
    await until(async () => (await a.depth("populate")) === 0, "an empty queue");
  });

  test("payloads rung before anybody consumes wait, are counted, and are handled later", async () => {
    const { options } = await place();
    const queue = await openQueue(options);
    await queue.ring("finalise", batchIds(3));
    expect(await queue.depth("finalise")).toBe(3);
    const seen: string[] = [];
    await queue.consume("finalise", 1, async ({ batchId }) => void seen.push(batchId));
    await until(() => seen.length === 3, "three handled");
    expect(seen.sort()).toEqual(["batch_0", "batch_1", "batch_2"]);
  });

  test("an idle consumer is woken by a ring, not by its next look", async () => {
    const { options } = await place();
    const queue = await openQueue(options);
    let heard = Promise.withResolvers<number>();
    await queue.consume("plan", 1, async () => heard.resolve(performance.now()));
    const latenciesMs: number[] = [];
    for (let i = 0; i < 5; i++) {
      heard = Promise.withResolvers<number>();
      const rungAtMs = performance.now();
      await queue.ring("plan", [{}]);
      latenciesMs.push((await heard.promise) - rungAtMs);
    }
    expect(latenciesMs.sort((a, b) => a - b)[2]).toBeLessThan(1000); // a look comes every 5 s
  });

  test("a handler that throws is told and does not stop the consumer", async () => {
    const { options } = await place();
    const told: string[] = [];
    const queue = await openQueue({ ...options, onError: (error, name) => told.push(`${name}: ${error.message}`) });
    const seen: string[] = [];
    await queue.consume("settle", 1, async ({ dispatchId }) => {
      seen.push(String(dispatchId));
      if (dispatchId === "bad") throw new Error("no such dispatch");
    });
    await queue.ring("settle", [{ dispatchId: "bad" }, { dispatchId: null }]);
    await until(() => seen.length === 2, "both handled");
    await until(() => told.length === 1, "the error told");
    expect([...seen].sort()).toEqual(["bad", "null"]);
    expect(told).toEqual(["settle: no such dispatch"]);
    await until(async () => (await queue.depth("settle")) === 0, "an empty queue");
  });

  test("no more handlers run at once than were asked for, and so many do", async () => {
    const { options } = await place();
    const queue = await openQueue(options);
    const full = Promise.withResolvers<void>();
    let running = 0;
    let most = 0;
    let done = 0;
    await queue.consume("lane-call", 4, async () => {
      most = Math.max(most, ++running);
      if (running === 4) full.resolve();
      await full.promise;
      running--;
      done++;
    });
    await queue.ring(
      "lane-call",
      Array.from({ length: 40 }, (_, i) => ({ dispatchId: `dsp_${i}` })),
    );
    await until(() => done === 40, "forty handled");
    expect(most).toBe(4);
  });

  test("a stop waits for the handler in flight and takes nothing more", async () => {
    const { options } = await place();
    const queue = await openQueue(options);
    const [taken, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let ended = 0;
    const consumer = await queue.consume("lane-batch", 1, async () => {
      taken.resolve();
      await release.promise;
      ended++;
    });
    await queue.ring("lane-batch", [{ dispatchId: "a" }, { dispatchId: "b" }]);
    await taken.promise;
    const stopped = consumer.stop().then(() => ended);
    release.resolve();
    expect(await stopped).toBe(1);
    expect(await queue.depth("lane-batch")).toBe(1);
    await consumer.stop(); // again does nothing
  });

  test("a stop past its bound aborts the handler", async () => {
    const { options } = await place();
    const queue = await openQueue({ ...options, onError: () => undefined });
    const taken = Promise.withResolvers<AbortSignal>();
    const consumer: Consumer = await queue.consume("lane-pool", 1, async (_, signal) => {
      taken.resolve(signal);
      await new Promise((_, failed) => signal.addEventListener("abort", () => failed(new Error("aborted"))));
    });
    await queue.ring("lane-pool", [{ dispatchId: "long" }]);
    const signal = await taken.promise;
    expect(signal.aborted).toBe(false);
    await consumer.stop(50);
    expect(signal.aborted).toBe(true);
  });

  test("a stop ends even when a handler hears nothing", async () => {
    const { options } = await place();
    const queue = await openQueue({ ...options, onError: () => undefined });
    const [taken, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const consumer = await queue.consume("lane-pool", 1, async () => {
      taken.resolve();
      await release.promise;
    });
    await queue.ring("lane-pool", [{ dispatchId: "deaf" }]);
    await taken.promise;
    const startedMs = performance.now();
    await consumer.stop(50);
    expect(performance.now() - startedMs).toBeLessThan(5000);
    release.resolve();
  });

  test("the payload of a consumer killed with -9 is handled by another", async () => {
    const { options } = await place();
    const short = { ...options, lockMs: 1000 };
    const { onError: _, ...plain } = short;
    const child = fork(new URL("./stuck-consumer.fixture.ts", import.meta.url), [JSON.stringify(plain)], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const said = async (): Promise<unknown> => await new Promise((resolve) => child.once("message", resolve));
    expect(await said()).toBe("consuming");
    const queue = await openQueue(short);
    await queue.ring("populate", [{ batchId: "batch_x" }]);
    expect(await said()).toBe("taken batch_x");
    const gone = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await gone;
    const got = Promise.withResolvers<string>();
    await queue.consume("populate", 1, async ({ batchId }) => got.resolve(batchId));
    expect(await got.promise).toBe("batch_x");
  });

  test("a payload of another shape is neither rung nor handled", async () => {
    const { options, addForeign } = await place();
    const told: string[] = [];
    const queue = await openQueue({ ...options, onError: (error) => told.push(error.message) });
    await expect(queue.ring("populate", [{ batchId: 7 } as never])).rejects.toThrow("batchId");
    await expect(queue.ring("populate", [{ batchId: "b", prompt: "text" } as never])).rejects.toThrow("prompt");
    expect(await queue.depth("populate")).toBe(0);
    await addForeign("{populate-0}", { batch: "of another version" });
    const seen: string[] = [];
    await queue.consume("populate", 1, async ({ batchId }) => void seen.push(batchId));
    await queue.ring("populate", [{ batchId: "good" }]);
    await until(() => seen.length === 1 && told.length === 1, "the good one handled, the other told");
    expect(seen).toEqual(["good"]);
    expect(told[0]).toContain("batchId");
  });
}
