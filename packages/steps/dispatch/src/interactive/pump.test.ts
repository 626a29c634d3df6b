import { fault } from "@slowboat/kernel";
import { describe, expect, test } from "vitest";
import type { Ending } from "./ending.ts";
import { pump } from "./pump.ts";
import { followStream } from "./stream.ts";

async function collect(items: AsyncIterable<string>): Promise<{ seen: string[]; thrown: unknown }> {
  const seen: string[] = [];
  try {
    for await (const item of items) seen.push(item);
  } catch (thrown) {
    return { seen, thrown };
  }
  return { seen, thrown: null };
}

async function* from(...items: (string | Error)[]): AsyncGenerator<string> {
  for (const item of items) {
    await Promise.resolve();
    if (item instanceof Error) throw item;
    yield item;
  }
}

const whole: Ending = { statusCode: 200, body: "{}", requestId: null, retryAfterMs: null, limits: {}, fault: null, error: null };
const cut: Ending = { ...whole, fault: fault("outcome-unknown"), error: { code: "outcome-unknown", message: "" } };

describe("a stream is read ahead of its reader", () => {
  test("items come in order, and what the source throws is thrown after them", async () => {
    expect(await collect(pump(from("a", "b", "c")))).toEqual({ seen: ["a", "b", "c"], thrown: null });
    const broken = new Error("broken");
    expect(await collect(pump(from("a", broken)))).toEqual({ seen: ["a"], thrown: broken });
  });

  test("a reader that does not come back holds nothing up: the source is heard to its end", async () => {
    let heard = 0;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    async function* source(): AsyncGenerator<string> {
      for (; heard < 1000; heard++) yield "x".repeat(100);
      resolve();
    }
    const reader = pump(source());
    await reader.next();
    await ended;
    expect(heard).toBe(1000);
    await reader.return();
  });

  test("a reader that leaves lets the source go early", async () => {
    const { promise: left, resolve } = Promise.withResolvers<void>();
    async function* source(): AsyncGenerator<string> {
      try {
        for (;;) {
          await new Promise((done) => setImmediate(done));
          yield "x";
        }
      } finally {
        resolve();
      }
    }
    const reader = pump(source());
    await reader.next();
    await reader.return();
    await left;
  });
});

describe("the last event waits for the commit", () => {
  const chat = ['data: {"choices":[]}\n\n', "data: [DONE]\n\n"];

  test("[DONE], message_stop and response.completed leave only when the answer is committed", async () => {
    for (const last of ["data: [DONE]\n\n", "event: message_stop\ndata: {}\n\n", "event: response.completed\ndata: {}\n\n"]) {
      const { promise, resolve } = Promise.withResolvers<Ending>();
      const seen: string[] = [];
      const reading = (async () => {
        for await (const event of followStream(from("data: {}\n\n", last), promise)) seen.push(event);
      })();
      await new Promise((done) => setImmediate(done));
      expect(seen).toEqual(["data: {}\n\n"]);
      resolve(whole);
      await reading;
      expect(seen).toEqual(["data: {}\n\n", last]);
    }
  });

  test("a stream that was cut throws, and its [DONE] never leaves", async () => {
    const { seen, thrown } = await collect(followStream(from(...chat), Promise.resolve(cut)));
    expect(seen).toEqual([chat[0]]);
    expect(thrown).toBe(cut.fault);
  });

  test("an answer that is whole and could not be translated to its end throws, and no mark of an end leaves", async () => {
    const { seen, thrown } = await collect(followStream(from(...chat), Promise.resolve(whole), () => false));
    expect(seen).toEqual([chat[0]]);
    expect(thrown).toMatchObject({ code: "provider-failed" });
  });

  test("an error that the provider said itself is passed on and not said twice", async () => {
    const said = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n';
    expect(await collect(followStream(from("data: {}\n\n", said), Promise.resolve(cut)))).toEqual({ seen: ["data: {}\n\n", said], thrown: null });
    const failed = 'event: response.failed\ndata: {"type":"response.failed"}\n\n';
    expect(await collect(followStream(from(failed), Promise.resolve(cut)))).toEqual({ seen: [failed], thrown: null });
  });
});
