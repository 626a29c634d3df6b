import { askErrands, type Caller, draftJob } from "@slowboat/intake";
import { newId } from "@slowboat/kernel";
import { postSettlements } from "@slowboat/ledger";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import { drawnPairs, judgeFirst, outcomeOf, recordOutcomes } from "@slowboat/results";
import { learnPairs, type PairDeps } from "@slowboat/route-learn";
import { createLogger } from "@slowboat/runtime";
import {
  claimAnswered,
  escalateJobs,
  insertAttempts,
  insertJobs,
  insertPairs,
  openRouteDesk,
  type RouteDesk,
  saveAnswers,
  setRoute,
} from "@slowboat/store";
import { seedTenant, type TestClock, type TestDatabase, type TestTenant, testClock, testDatabase, testRng } from "@slowboat/testkit";

export const DEAR = "gpt-5.5";
export const CHEAP = "gpt-5-mini";
export const JUDGE = "gpt-5.4-mini";
const LANES = ["cache", "openai-batch", "openai"];
const DAY_MS = 86_400_000;

export const book = loadPriceBook(STANDARD_PRICES);
const logger = createLogger("test", "silent");
const { signal } = new AbortController();

/** What a model says to a question. */
export type World = (model: string, question: string, whole: string) => string;

/** A job that waits to be asked. */
interface Waiting {
  readonly id: string;
  readonly tenantId: string;
  readonly model: string;
  readonly body: string;
  readonly route: string | null;
  readonly fallbacks: string | null;
  readonly attempts: number;
  readonly surface: string;
}

/** Everything between a request for an alias and its label, but for a planner and a provider: `world` answers at once, on the batch lane. */
export interface RoutedWorld {
  readonly database: TestDatabase;
  readonly clock: TestClock;
  readonly who: TestTenant;
  readonly deps: PairDeps;
  /** Sets an alias of the tenant's, or of another's. */
  alias(name: string, more?: { shadow?: number; judge?: string | null; quality?: number }, of?: TestTenant): Promise<void>;
  /** Sends questions to an alias; the jobs' ids. */
  send(name: string, questions: readonly string[], of?: TestTenant): Promise<string[]>;
  /** Answers all that waits, errands too, and settles it; returns how many were answered. */
  answer(): Promise<number>;
  /** Turns of learning, each answered, until nothing moves. */
  learn(deps?: PairDeps): Promise<void>;
  rows<T extends object>(columns: string, where?: string): Promise<T[]>;
  close(): Promise<void>;
}

/** Opens a world in a database of its own. */
export async function openRoutedWorld(world: World, seed: number): Promise<RoutedWorld> {
  const database = await testDatabase({ max: 6 });
  const { store } = database;
  const clock = testClock();
  const rng = testRng(seed);
  const who = await seedTenant(store, { clock });
  let routes: RouteDesk = openRouteDesk(store.sql, () => clock.real());
  const deps: PairDeps = {
    ...{ store, book, clock, rng, logger },
    // What another process changed is heard within ten seconds; here at once.
    routes: { load: (tenantId, through) => routes.load(tenantId, through), forget: (tenantId) => routes.forget(tenantId) },
    ask: (tx, errands) => askErrands({ book, clock, rng, house: { lanes: LANES }, logger }, tx, errands),
    cosine: async () => null,
  };

  const settle = async (): Promise<void> => {
    routes = openRouteDesk(store.sql, () => clock.real());
    await store.begin(async (tx) => {
      const { rows } = await claimAnswered(tx, { limit: 1_000, maxBytes: 1e8 });
      const declined = new Map<string, NonNullable<ReturnType<typeof judgeFirst>>>();
      for (const row of rows) {
        const verdict = row.route === null ? null : judgeFirst(row, await routes.load(row.tenantId, tx), clock.job());
        if (verdict !== null) declined.set(row.attemptId, verdict);
      }
      const facts = rows.map((row) => outcomeOf(row, book, declined.has(row.attemptId)));
      const postings = facts.flatMap(({ row, kind, settlement }) => {
        const { tenantId, jobId, attemptId, lane, emulated } = row;
        const base = { kind, tenantId, jobId, attemptId, lane, emulated, model: row.otherModel ?? row.model, pricesVersion: book.version };
        return settlement === null ? [] : [{ ...base, settlement }];
      });
      await postSettlements(tx, postings, clock.job());
      const ended = await recordOutcomes(tx, facts, clock.job());
      await insertPairs(tx, drawnPairs(facts, new Set(ended.map(({ id }) => id))), clock.job());
      const again = [...declined.values()].map(({ escalated }) => escalated);
      await escalateJobs(tx, again, clock.job());
    });
  };

  const answer = async (): Promise<number> => {
    const waiting = await store.sql<Waiting[]>`
      select id, tenant_id as "tenantId", model, body, route, fallbacks, attempts, surface from job where state = 'accepted' order by id`;
    if (waiting.length === 0) return 0;
    const asked = waiting.map((job) => {
      const first = job.route === null ? null : (JSON.parse(job.route) as { first: string | null }).first;
      return { job, id: newId("attempt", clock.job(), rng), other: first };
    });
    await insertAttempts(
      store.sql,
      asked.map(({ job, id, other }) => ({
        ...{ id, jobId: job.id, tenantId: job.tenantId, seq: job.attempts + 1, lane: "openai-batch", account: "a", dispatchId: null, role: "try" },
        ...{
          decision: "{}",
          estimateNano: null,
          pricesVersion: book.version,
          emulated: true,
          createdAtMs: clock.job(),
          state: "sending",
          model: other,
        },
      })),
      clock.real(),
    );
    await store.sql`
      update job j set state = 'placed', attempt_id = t.attempt_id, lane = 'openai-batch', attempts = j.attempts + 1
      from unnest(${asked.map(({ job }) => job.id)}::text[], ${asked.map(({ id }) => id)}::text[]) as t (id, attempt_id) where j.id = t.id`;
    await saveAnswers(
      store.sql,
      asked.map(({ job, id, other }) => {
        const said = world(other ?? job.model, lastOf(job.body), job.body);
        return { attemptId: id, statusCode: 200, body: answerOf(said), requestId: "req", errorCode: null };
      }),
      { nowMs: clock.job(), realMs: clock.real() },
    );
    await settle();
    return waiting.length;
  };

  return {
    ...{ database, clock, who, deps, answer },
    alias: async (alias, { shadow = 1, judge = null, quality = 0.9 } = {}, of = who) => {
      const candidates = JSON.stringify([DEAR, CHEAP]);
      await setRoute(store.sql, { tenantId: of.tenantId, alias, candidates, baseline: DEAR, quality, shadow, judge, nowMs: clock.job() });
      routes = openRouteDesk(store.sql, () => clock.real());
    },
    send: async (alias, questions, of = who) => {
      routes = openRouteDesk(store.sql, () => clock.real());
      const book_ = await routes.load(of.tenantId);
      const caller = { ...of, allowUnpriced: false, budgeted: false, fallbacks: null, semanticCache: null, models: null } as unknown as Caller;
      const terms = { book, clock, rng, house: { lanes: LANES, emulated: true, callbackAllow: [] } } as never;
      const jobs = questions.map((content) => {
        const envelope = { body: { model: `auto:${alias}`, messages: [{ role: "user", content }] }, metadata: { job_key: "test" } };
        const asked = { deadline: null, allow: null, deny: null, cache: null, fallbacks: null };
        const request = { envelopeText: JSON.stringify(envelope), envelope: envelope as never, asked, routes: book_ };
        return { ...draftJob(terms, caller, request).job, deadlineAtMs: clock.job() + DAY_MS };
      });
      await insertJobs(store.sql, jobs);
      return jobs.map(({ id }) => id);
    },
    learn: async (with_ = deps) => {
      for (let turn = 0; turn < 50; turn++) {
        const { returned, stepped } = await learnPairs(with_, signal);
        const answered = await answer();
        if (returned + stepped + answered === 0) return;
      }
      throw new Error("learning does not come to an end");
    },
    rows: async <T extends object>(columns: string, where = "true") =>
      (await store.sql.unsafe(`select ${columns} from route_pair where ${where} order by job_id`)) as unknown as T[],
    close: () => database.drop(),
  };
}

const lastOf = (body: string): string => (JSON.parse(body) as { messages: { content: string }[] }).messages.at(-1)?.content ?? "";

const answerOf = (content: string): string =>
  JSON.stringify({
    id: "chatcmpl-1",
    object: "chat.completion",
    choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content } }],
    usage: { prompt_tokens: 1_000, completion_tokens: 1_000, total_tokens: 2_000 },
  });
