import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BatchLane, CallLane, Lane, LaneAnswer, LaneRequest } from "./index.ts";
import { LaneError } from "./index.ts";

/** What a provider can be made to do to the next request. */
export type Mishap = "hang" | "reset" | "rate-limit" | "server-error" | "html-503";

interface Fixture<L extends Lane> {
  readonly lane: L;
  /** A good request. `extra` is raw text of further members, each followed by a comma. */
  request(attemptId: string, extra?: string): LaneRequest;
  /** Raw members that this API ignores or allows, with an integer beyond 2^53 and an escaped NUL. */
  readonly odd: string;
  /** Bodies that the other end has received, as text. */
  bodies(): string[];
  close(): Promise<void>;
}

/** A real-time lane with the other end in the test's hand. */
export interface CallFixture extends Fixture<CallLane> {
  /** The same provider over a lane that waits `timeoutMs` at most. */
  impatient(timeoutMs: number): CallLane;
  mishap(kind: Mishap): void;
  /** A request that is wrong in itself, and one for a model that does not exist. */
  bad(attemptId: string): LaneRequest;
  readonly streams: boolean;
  /** The provider's own account of an attempt's usage; `null` when it charged nothing. */
  billed(attemptId: string): Promise<unknown>;
}

/** A batch lane whose provider lives in a time that the test moves. */
export interface BatchFixture extends Fixture<BatchLane> {
  nowMs(): number;
  pass(ms: number): void;
  /** The next create is lost on its way back, or on its way there. */
  loseCreate(when: "reply" | "request"): void;
  /** Makes this attempt's request fail on its own at the provider. */
  spoil(request: LaneRequest): LaneRequest;
  /** Attempts that the provider charged for. */
  billed(): Promise<ReadonlySet<string>>;
}

/** How long the provider takes for a batch, in its own time. */
const TURNAROUND_MS = 600_000;

const signal = (): AbortSignal => AbortSignal.timeout(20_000);
const unknownModel = (request: LaneRequest): LaneRequest => ({ ...request, model: "no-such-model" });

/** What every real-time lane guarantees. */
export function callLaneConformance(name: string, open: () => Promise<CallFixture>): void {
  describe(`${name}, a lane that answers while we wait`, () => {
    let at: CallFixture;
    beforeAll(async () => {
      at = await open();
    });
    afterAll(() => at.close());

    test("each of many requests at once gets the one answer with its id, and each was sent once", async () => {
      const before = at.bodies().length;
      const ids = Array.from({ length: 40 }, (_, n) => `att_many_${n}`);
      const answers = await Promise.all(ids.map((id) => at.lane.call(at.request(id), signal())));
      expect(answers.map((answer) => answer.attemptId)).toEqual(ids);
      for (const answer of answers) expect(answer).toMatchObject({ kind: "answered", statusCode: 200 });
      expect(at.bodies().length - before).toBe(ids.length);
    });

    test("the body arrives byte for byte", async () => {
      const request = at.request("att_bytes", at.odd);
      expect(await at.lane.call(request, signal())).toMatchObject({ kind: "answered" });
      expect(at.bodies().at(-1)).toBe(request.body);
    });

    test("a bad request is refused for good, alone, and costs nothing", async () => {
      const [bad, good] = await Promise.all([at.lane.call(at.bad("att_bad"), signal()), at.lane.call(at.request("att_beside"), signal())]);
      expect(bad).toMatchObject({ kind: "refused", attemptId: "att_bad", retry: "never" });
      expect(good).toMatchObject({ kind: "answered", attemptId: "att_beside" });
      expect(await at.billed("att_bad")).toBeNull();
    });

    test("an unknown model is refused for good", async () => {
      expect(await at.lane.call(unknownModel(at.request("att_model")), signal())).toMatchObject({ kind: "refused", statusCode: 404, retry: "never" });
    });

    test.each([
      ["rate-limit", 429],
      ["server-error", 500],
      ["html-503", 503],
    ] as const)("after %s the request may go again later", async (kind, statusCode) => {
      at.mishap(kind);
      expect(await at.lane.call(at.request("att_later"), signal())).toMatchObject({ kind: "refused", statusCode, retry: "later" });
    });

    test("silence and a broken connection are unknown, never refused", async () => {
      at.mishap("hang");
      expect(await at.impatient(150).call(at.request("att_hang"), signal())).toMatchObject({ kind: "unknown", code: "timeout" });
      at.mishap("reset");
      expect(await at.lane.call(at.request("att_reset"), signal())).toMatchObject({ kind: "unknown" });
    });

    test("an abort before anything was sent is void", async () => {
      expect(await at.lane.call(at.request("att_aborted"), AbortSignal.abort())).toMatchObject({ kind: "void", code: "unsent" });
    });

    test("a stream comes to the answer and the usage that a call comes to, as the provider bills it", async () => {
      const called = await at.lane.call(at.request("att_called"), signal());
      const streamed = await at.lane.stream(at.request("att_streamed"), signal());
      if (!at.streams) return expect(streamed).toMatchObject({ kind: "answered" });
      if (streamed.kind !== "stream") throw new Error(`no stream but ${JSON.stringify(streamed)}`);
      let events = 0;
      for await (const event of streamed.events) {
        expect(event.endsWith("\n\n")).toBe(true);
        events++;
      }
      expect(events).toBeGreaterThan(2);
      const final = await streamed.final;
      expect(final).toMatchObject({ kind: "answered", attemptId: "att_streamed" });
      expect(substance(final)).toEqual(substance(called));
      expect(JSON.stringify(bodyOf(final)["usage"])).toBe(JSON.stringify(await at.billed("att_streamed")));
    });
  });
}

/** What every batch lane guarantees. `open` starts a provider that takes `turnaroundMs` for a batch, or expires it after a day. */
export function batchLaneConformance(name: string, open: (turnaroundMs: number) => Promise<BatchFixture>): void {
  describe(`${name}, a lane that answers within a day`, () => {
    let at: BatchFixture;
    beforeAll(async () => {
      at = await open(TURNAROUND_MS);
    });
    afterAll(() => at.close());
    const requests = (tag: string, count: number): LaneRequest[] => Array.from({ length: count }, (_, n) => at.request(`att_${tag}_${n}`));

    test("a batch goes from queued to ended, and every request gets exactly one answer with its id", async () => {
      const sent = requests("all", 60);
      const { ref } = await at.lane.submit("dsp_all", sent, signal());
      const early = await at.lane.poll(ref, signal());
      expect(early.phase).not.toBe("ended");
      await expect(collect(at.lane, ref)).rejects.toMatchObject({ name: "LaneError", code: "not_ended", retry: "later" });
      at.pass(TURNAROUND_MS * 1.5);
      expect(await at.lane.poll(ref, signal())).toMatchObject({ phase: "ended", done: 60, total: 60, failure: null });
      const answers = await collect(at.lane, ref);
      expect(answers.map((answer) => answer.attemptId).sort()).toEqual(sent.map((request) => request.attemptId).sort());
      for (const answer of answers) expect(answer).toMatchObject({ kind: "answered", statusCode: 200 });
      expect(await collect(at.lane, ref)).toEqual(answers);
    });

    test("bodies arrive byte for byte", async () => {
      const sent = [at.request("att_odd_1", at.odd), at.request("att_odd_2")];
      await at.lane.submit("dsp_odd", sent, signal());
      const text = at.bodies().join("\n");
      for (const request of sent) expect(text).toContain(request.body);
    });

    test("a bad request is refused alone and costs nothing", async () => {
      const sent = requests("bad", 4).map((request, n) => (n === 2 ? at.spoil(request) : request));
      const { ref } = await at.lane.submit("dsp_bad", sent, signal());
      at.pass(TURNAROUND_MS * 1.5);
      const answers = new Map((await collect(at.lane, ref)).map((answer) => [answer.attemptId, answer]));
      for (const n of [0, 1, 3]) expect(answers.get(`att_bad_${n}`)).toMatchObject({ kind: "answered" });
      expect(answers.get("att_bad_2")).toMatchObject({ kind: "refused", statusCode: 400, retry: "never" });
      expect((await at.billed()).has("att_bad_2")).toBe(false);
    });

    test("an unknown model is said, line by line or for the whole file, and costs nothing", async () => {
      const { ref } = await at.lane.submit("dsp_model", requests("model", 2).map(unknownModel), signal());
      at.pass(TURNAROUND_MS * 1.5);
      const progress = await at.lane.poll(ref, signal());
      expect(progress.phase).toBe("ended");
      if (progress.failure) expect(progress.failure.lines[0]).toMatchObject({ line: 1, code: "model_not_found" });
      if (progress.failure) expect(progress.failure).toMatchObject({ code: "model_not_found", hold: false });
      else for (const answer of await collect(at.lane, ref)) expect(answer).toMatchObject({ kind: "refused", statusCode: 404, retry: "never" });
      expect([...(await at.billed())].filter((id) => id.startsWith("att_model"))).toEqual([]);
    });

    test("a cancelled batch is harvested: what was billed is answered, the rest is void", async () => {
      const sent = requests("cancel", 30);
      const { ref } = await at.lane.submit("dsp_cancel", sent, signal());
      at.pass(TURNAROUND_MS * 0.6);
      await at.lane.poll(ref, signal());
      await at.lane.cancel(ref, signal());
      at.pass(TURNAROUND_MS * 1.5);
      expect(await at.lane.poll(ref, signal())).toMatchObject({ phase: "ended" });
      const answers = await collect(at.lane, ref);
      const billed = [...(await at.billed())].filter((id) => id.startsWith("att_cancel"));
      expect(
        answers
          .filter((answer) => answer.kind === "answered")
          .map((answer) => answer.attemptId)
          .sort(),
      ).toEqual(billed.sort());
      for (const answer of answers.filter((one) => one.kind !== "answered")) expect(answer).toMatchObject({ kind: "void", code: "cancelled" });
      expect(answers.filter((answer) => answer.kind === "void").length).toBeGreaterThan(0);
      await at.lane.cancel(ref, signal());
    });

    test("an expired batch is harvested: what was billed is answered, the rest is void", async () => {
      const slow = await open(47 * 3_600_000);
      try {
        const { ref } = await slow.lane.submit("dsp_expire", requests("expire", 20), signal());
        slow.pass(23 * 3_600_000);
        expect((await slow.lane.poll(ref, signal())).phase).toBe("running");
        slow.pass(2 * 3_600_000);
        expect(await slow.lane.poll(ref, signal())).toMatchObject({ phase: "ended" });
        const answers = await collect(slow.lane, ref);
        expect(new Set(answers.map((answer) => answer.attemptId)).size).toBe(20);
        const billed = await slow.billed();
        for (const answer of answers) {
          if (billed.has(answer.attemptId)) expect(answer.kind).toBe("answered");
          else expect(answer).toMatchObject({ kind: "void", code: "expired" });
        }
        expect(answers.some((answer) => answer.kind === "void")).toBe(true);
      } finally {
        await slow.close();
      }
    });

    test("a batch whose create was answered into the void is found again, and no second one is needed", async () => {
      const sent = requests("lost", 7);
      const sinceMs = at.nowMs();
      at.loseCreate("reply");
      const error = await at.lane.submit("dsp_lost", sent, signal()).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(LaneError);
      expect(error).toMatchObject({ outcome: "unknown" });
      const ids = sent.map((request) => request.attemptId);
      const found = await at.lane.find("dsp_lost", ids, { sinceMs, taken: new Set(), crowded: false }, signal());
      expect(found).not.toBeNull();
      at.pass(TURNAROUND_MS * 1.5);
      expect((await collect(at.lane, found?.ref ?? "")).map((answer) => answer.attemptId).sort()).toEqual(ids.sort());
      expect(
        await at.lane
          .find("dsp_lost", ids, { sinceMs, taken: new Set(), crowded: false }, signal())
          .then((again) => again === null || again.ref === found?.ref),
      ).toBe(true);
    });

    test("a batch that was never created is not found", async () => {
      const sent = requests("never", 11);
      const sinceMs = at.nowMs();
      at.loseCreate("request");
      const error = await at.lane.submit("dsp_never", sent, signal()).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: "LaneError", outcome: "unknown" });
      expect(
        await at.lane.find(
          "dsp_never",
          sent.map((request) => request.attemptId),
          { sinceMs, taken: new Set(), crowded: false },
          signal(),
        ),
      ).toBeNull();
    });

    test("a batch that the provider does not know throws on poll and on collect", async () => {
      const nowhere = at.lane.id === "openai-batch" ? "batch_nowhere" : "msgbatch_nowhere";
      await expect(at.lane.poll(nowhere, signal())).rejects.toMatchObject({ name: "LaneError", outcome: "refused" });
      await expect(collect(at.lane, nowhere)).rejects.toMatchObject({ name: "LaneError", outcome: "refused" });
    });
  });
}

async function collect(lane: BatchLane, ref: string): Promise<LaneAnswer[]> {
  const answers: LaneAnswer[] = [];
  for await (const answer of lane.collect(ref, signal())) answers.push(answer);
  return answers;
}

const bodyOf = (answer: LaneAnswer): Record<string, unknown> =>
  answer.kind === "answered" ? (JSON.parse(answer.body) as Record<string, unknown>) : {};

/** An answer without the ids and instants that differ from one request to the next. */
function substance(answer: LaneAnswer): unknown {
  const drop = new Set(["id", "created", "created_at", "completed_at", "request_id"]);
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== "object" || value === null) return value;
    const kept = Object.entries(value).filter(([key, inner]) => !drop.has(key) && inner !== null && !(Array.isArray(inner) && inner.length === 0));
    return Object.fromEntries(kept.map(([key, inner]) => [key, walk(inner)]));
  };
  return walk(bodyOf(answer));
}
