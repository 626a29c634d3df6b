import type { Policy } from "@slowboat/route";
import { learnPairs, trainDue } from "@slowboat/route-learn";
import { deleteRoute, listJobs, listRoutes, readPairReport, readPolicy, readRouteLabels, sayOfPair, unpacked } from "@slowboat/store";
import { seedTenant } from "@slowboat/testkit";
import { afterEach, expect, test } from "vitest";
import { book, CHEAP, DEAR, JUDGE, openRoutedWorld, type RoutedWorld, type World } from "./testing/routed-world.ts";

const { signal } = new AbortController();
const PLACES = ["harbour", "river", "island", "lighthouse", "bay"];
const questions = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, i) => `name the colour of the ${PLACES[i % PLACES.length]} number ${from + i}`);
/** The number in a question. */
const noOf = (question: string): number => Number(/\d+$/.exec(question)?.[0] ?? 0);

let world: RoutedWorld;
afterEach(() => world.close());

const routeOf = async (alias: string, tenantId = world.who.tenantId) =>
  (await listRoutes(world.database.store.sql, tenantId)).find((row) => row.alias === alias);
const policyOf = async (alias: string): Promise<Policy | null> => {
  const bytes = await readPolicy(world.database.store.sql, { tenantId: world.who.tenantId, alias });
  return bytes === null ? null : unpacked<Policy>(bytes);
};
const labelsOf = async (alias: string, tenantId = world.who.tenantId) =>
  (await readRouteLabels(world.database.store.sql, { tenantId, alias })).map(
    (bytes) => unpacked<{ scores: Record<string, number>; weight: number; chosen?: boolean }>(bytes) as { scores: Record<string, number> },
  );
const train = () => {
  const { store, clock, logger } = world.deps;
  return trainDue({ store, book, clock, logger }, signal);
};
const say = (jobId: string, score: number, tenantId = world.who.tenantId) =>
  sayOfPair(world.database.store.sql, { tenantId, jobId, score, nowMs: world.clock.job() });
const firstOf = async (ids: readonly string[]): Promise<(string | null)[]> =>
  (
    await world.database.store.sql<{ first: string | null }[]>`
      select route::json ->> 'first' as first from job where id = any(${ids as string[]}::text[]) order by id`
  ).map(({ first }) => first);
const errands = async () =>
  await world.database.store.sql<{ model: string; state: string }[]>`select model, state from job where surface = 'errand' order by id`;

const REFUSED = 5_000;
/** The cheap model is right, but for one question in twenty; from `spoiltFrom` on it is always wrong, and some it refuses. */
const colours =
  (spoiltFrom: number): World =>
  (model, question) => {
    const no = noOf(question);
    if (model === CHEAP && no >= REFUSED) return "I'm sorry, but I can't help with that.";
    return model === CHEAP && (no % 20 === 0 || no >= spoiltFrom) ? "Green" : "Blue";
  };

test("an alias learns by itself from its own traffic, opens, and closes again when the traffic has changed", async () => {
  world = await openRoutedWorld(colours(1_000), 5);
  await world.alias("crew");
  await world.send("crew", questions(90));
  await world.answer();
  await world.learn();
  expect(await routeOf("crew")).toMatchObject({ labels: 90, fresh: 90, trainedAtMs: null });
  expect([await train(), await policyOf("crew")]).toEqual([0, null]);

  await world.send("crew", questions(70, 90));
  await world.answer();
  await world.learn();
  expect(await train()).toBe(1);
  expect(await train()).toBe(0);
  expect(await routeOf("crew")).toMatchObject({ labels: 160, fresh: 0, policyVersion: 1, driftedAtMs: null });
  const policy = await policyOf("crew");
  expect(policy?.guard.lambda ?? null).not.toBeNull();
  expect(policy?.models).toEqual([DEAR, CHEAP]);

  // The baseline answered all of that: nothing was lost. What was asked beside it cost waste alone, and is in nobody's list.
  const report = await readPairReport(world.database.store.sql, { tenantId: world.who.tenantId, alias: "crew" });
  expect(report).toMatchObject({ open: 0, labelled: 160, dropped: [], judgeNano: 0n });
  expect(report.losses).toHaveLength(160);
  expect(report.losses.every(({ lost, chance }) => lost === 0 && chance === 1)).toBe(true);
  // 160 answers of a thousand tokens in and out, at half of $0.25 and $2 a million.
  expect(report.shadowNano).toBe(160n * (125_000n + 1_000_000n));
  expect(await listJobs(world.database.store.sql, { tenantId: world.who.tenantId, limit: 500 })).toHaveLength(160);

  // A first answer that did not stand was paid for: it is not asked again.
  const before = (await errands()).length;
  const doubtful = await world.send("crew", questions(4, REFUSED));
  while ((await world.answer()) > 0);
  const twice = await world.database.store.sql`select id from job where id = any(${doubtful}::text[]) and route::json ->> 'mode' = 'escalated'`;
  expect(twice.length).toBeGreaterThan(0);
  await world.learn();
  expect((await errands()).length - before).toBe(4 - twice.length);
  expect(await world.rows("state", `job_id = any(array['${doubtful.join("','")}'])`)).toEqual(Array(4).fill({ state: "labelled" }));

  // The same settings again change nothing; others forget the policy, and all labels are to be learned from anew.
  await world.alias("crew", { shadow: 1 });
  expect(await policyOf("crew")).not.toBeNull();

  const routed = await world.send("crew", questions(40, 1_001));
  expect((await firstOf(routed)).filter((first) => first === CHEAP).length).toBeGreaterThan(30);
  await world.answer();
  await world.learn();
  const closed = await routeOf("crew");
  expect(closed?.driftedAtMs).not.toBeNull();
  expect(await policyOf("crew")).toBeNull();
  // What came before the alarm is forgotten, what comes after it is learned.
  expect(closed?.labels).toBeGreaterThan(0);
  expect(closed?.labels).toBeLessThan(40);
  expect(await firstOf(await world.send("crew", questions(3, 2_001)))).toEqual([null, null, null]);
  const lost = (await readPairReport(world.database.store.sql, { tenantId: world.who.tenantId, alias: "crew" })).losses.filter(
    (one) => one.lost === 1,
  );
  expect(lost.length).toBeGreaterThan(5);
}, 120_000);

const PROSE = {
  ours: "The harbour is blue because the sky is mirrored in its calm water.",
  theirs: "Since calm water mirrors the sky above it, that harbour looks blue.",
};

test("prose goes to the judge, who sees the answers in an order of dice; its verdict is the grade, and one that cannot be read drops the pair", async () => {
  const verdicts: string[] = [];
  world = await openRoutedWorld((model, question, whole) => {
    if (model !== JUDGE) return model === DEAR ? PROSE.ours : PROSE.theirs;
    const no = Number(/number (\d+)/.exec(whole)?.[1]);
    const cheapIsA = question.indexOf(PROSE.theirs) < question.indexOf(PROSE.ours);
    const word = no % 4 === 0 ? "SAME" : no % 4 === 1 ? (cheapIsA ? "A" : "B") : no % 4 === 2 ? (cheapIsA ? "B" : "A") : "I like both.";
    verdicts.push(word);
    return word;
  }, 6);
  await world.alias("prose", { judge: JUDGE });
  await world.send("prose", questions(24));
  await world.answer();
  await world.learn();
  expect(new Set(verdicts)).toEqual(new Set(["SAME", "A", "B", "I like both."]));
  const grades = (await labelsOf("prose")).map(({ scores }) => `${scores[DEAR]}${scores[CHEAP]}`);
  expect(Object.fromEntries(Object.entries(Object.groupBy(grades, (one) => one)).map(([k, v]) => [k, v?.length]))).toEqual({
    "11": 6,
    "01": 6,
    "10": 6,
  });
  const report = await readPairReport(world.database.store.sql, { tenantId: world.who.tenantId, alias: "prose" });
  expect(report.dropped).toEqual([{ reason: `the judge's verdict on ${CHEAP} could not be read`, pairs: 6 }]);
  expect(report.judgeNano).toBeGreaterThan(0n);
  expect(report.shadowNano).toBeGreaterThan(0n);
}, 60_000);

test("without a judge prose is compared by its meaning, waits while there is no encoder, and is dropped in the end with the reason", async () => {
  world = await openRoutedWorld((model) => (model === DEAR ? PROSE.ours : PROSE.theirs), 7);
  await world.alias("prose");
  await world.send("prose", questions(1));
  await world.answer();
  await world.learn();
  expect(await world.rows("state, tries")).toMatchObject([{ state: "shadowed", tries: 1 }]);
  world.clock.advance(3_600_000);
  await world.learn({ ...world.deps, cosine: async () => 0.95 });
  expect((await labelsOf("prose")).map(({ scores }) => scores)).toEqual([{ [DEAR]: 1, [CHEAP]: 1 }]);
  await world.send("prose", questions(1, 5));
  await world.answer();
  for (let hour = 0; hour < 6; hour++) {
    await world.learn();
    world.clock.advance(3_600_000);
  }
  expect(await world.rows("state, reason", "state = 'dropped'")).toMatchObject([
    { reason: expect.stringContaining("neither a judge nor an encoder") },
  ]);
}, 60_000);

test("a user's word makes a pair that no dice drew, and replaces the grade of the answer that was given; nobody else's does", async () => {
  world = await openRoutedWorld(colours(1_000), 8);
  await world.alias("crew", { shadow: 1e-9 });
  const [job = ""] = await world.send("crew", questions(1, 1));
  expect(await say(job, 0)).toBe(false);
  await world.answer();
  expect(await world.rows("job_id")).toEqual([]);
  const stranger = await seedTenant(world.database.store, { name: "stranger", clock: world.clock });
  expect(await say(job, 0, stranger.tenantId)).toBe(false);
  expect(await say(job, 0.3)).toBe(true);
  await world.learn();
  // Both said the very same.
  expect(await labelsOf("crew")).toMatchObject([{ scores: { [DEAR]: 0.3, [CHEAP]: 0.3 }, weight: 1, chosen: true }]);
  expect((await readPairReport(world.database.store.sql, { tenantId: world.who.tenantId, alias: "crew" })).losses).toEqual([]);

  await world.alias("drawn");
  const [other = ""] = await world.send("drawn", questions(1, 20));
  await world.answer();
  await world.learn();
  expect(await labelsOf("drawn")).toMatchObject([{ scores: { [DEAR]: 1, [CHEAP]: 0 } }]);
  expect(await say(other, 0, stranger.tenantId)).toBe(false);
  expect(await say(other, 0)).toBe(true);
  await world.learn();
  const [replaced] = await labelsOf("drawn");
  expect(replaced?.scores).toEqual({ [DEAR]: 0, [CHEAP]: 0 });
  expect(replaced).not.toHaveProperty("chosen");
  expect(await world.rows("state, said", `job_id = '${other}'`)).toEqual([{ state: "labelled", said: 0 }]);
  expect(await errands()).toHaveLength(2);
}, 60_000);

test("what a crash interrupts is done again and asked once; two learners ask nothing twice", async () => {
  world = await openRoutedWorld(colours(1_000), 9);
  await world.alias("crew");
  await world.send("crew", questions(12, 1));
  await world.answer();
  const { ask } = world.deps;
  let falls = 3;
  const falling = {
    ...world.deps,
    ask: async (tx: never, asks: never) => {
      const ids = await ask(tx, asks);
      if (falls-- > 0) throw new Error("the learner fell after it had asked");
      return ids;
    },
  };
  await learnPairs(falling, signal);
  expect(await errands()).toHaveLength(9);
  expect(await world.rows("tries", "state = 'new'")).toEqual([{ tries: 1 }, { tries: 1 }, { tries: 1 }]);
  world.clock.advance(3_600_000);
  await Promise.all([learnPairs(world.deps, signal), learnPairs(world.deps, signal)]);
  expect(await errands()).toHaveLength(12);
  await world.answer();
  await Promise.all([learnPairs(world.deps, signal), learnPairs(world.deps, signal)]);
  await world.learn();
  expect(await labelsOf("crew")).toHaveLength(12);
  expect(await routeOf("crew")).toMatchObject({ labels: 12, fresh: 12 });
  expect(await errands()).toHaveLength(12);
}, 60_000);

test("a pair of which one candidate cannot be asked asks none, and says why; a tenant that keeps nothing has no pairs", async () => {
  world = await openRoutedWorld(colours(1_000), 10);
  await world.alias("crew");
  await world.send("crew", questions(2, 1));
  await world.answer();
  // What was written before the refusal is taken back with it.
  const { ask } = world.deps;
  const broke = { ...world.deps, ask: async (tx: never, asks: never) => (await ask(tx, asks)).map(() => null) };
  await learnPairs(broke, signal);
  expect(await errands()).toEqual([]);
  expect(await world.rows("state, reason")).toMatchObject([{ reason: expect.stringContaining("no budget") }, { state: "dropped" }]);
  await world.database.store.sql`update tenant set retention_days = 0 where id = ${world.who.tenantId}`;
  await world.send("crew", questions(1, 9));
  await world.answer();
  expect(await world.rows("job_id")).toHaveLength(2);
}, 60_000);

test("aliases of two tenants learn apart, and an alias that is taken away forgets its pairs", async () => {
  world = await openRoutedWorld(colours(1_000), 11);
  const other = await seedTenant(world.database.store, { name: "other", clock: world.clock });
  await world.alias("crew");
  await world.alias("crew", {}, other);
  await world.send("crew", questions(3, 1));
  await world.send("crew", questions(2, 21), other);
  await world.answer();
  await world.learn();
  expect([(await labelsOf("crew")).length, (await labelsOf("crew", other.tenantId)).length]).toEqual([3, 2]);
  const paid = await world.database.store.sql<{ tenantId: string; n: number }[]>`
    select t.tenant_id as "tenantId", count(distinct t.job_id)::int as n from ledger_txn t join job j on j.id = t.job_id and j.surface = 'errand'
    group by 1 order by 2`;
  expect(paid).toEqual([
    { tenantId: other.tenantId, n: 2 },
    { tenantId: world.who.tenantId, n: 3 },
  ]);
  await world.send("crew", questions(1, 5));
  await world.answer();
  await deleteRoute(world.database.store.sql, { tenantId: world.who.tenantId, alias: "crew" });
  await world.learn();
  expect(await world.rows("tenant_id")).toEqual(Array(2).fill({ tenant_id: other.tenantId }));
}, 60_000);
