import { fault, isId, LIMITS, newId } from "@slowboat/kernel";
import { realisedError } from "@slowboat/reuse";
import { complain, emptyState, readState, writeState } from "@slowboat/reuse-semantic";
import {
  countReuse,
  countVerdicts,
  evictEntries,
  findJob,
  insertFeedback,
  type ListedEntry,
  listEntries,
  listFamilies,
  lockFamily,
  readGiven,
  type Sql,
  saveFamily,
  sayOfPair,
} from "@slowboat/store";
import type { Context } from "hono";
import type { AppDeps, AppEnv, Mount } from "../http/env.ts";
import { pageAfter, pageLimit, pageObject } from "../http/query.ts";
import { readJsonBody } from "../interactive/read-body.ts";

const instant = (ms: number): string => new Date(ms).toISOString();

const entryObject = (entry: ListedEntry): Record<string, unknown> => ({
  id: entry.id,
  object: "cache.entry",
  endpoint: entry.endpoint,
  model: entry.model,
  namespace: entry.namespace,
  question: entry.text,
  source: { job_id: entry.jobId, attempt_id: entry.attemptId, key_id: entry.keyId },
  embedder: entry.embedder,
  hits: entry.hits,
  created_at: instant(entry.createdAtMs),
  expires_at: instant(entry.expiresAtMs),
});

const DAY_MS = 86_400_000;
const FEEDBACK_BYTES = 64 * 1024;
const COMMENT_CHARS = 2_000;

/** What is kept of answers for questions that mean the same: the entries, what came of them, and what callers say of an answer. */
export const cacheRoutes: Mount = (app, deps) => {
  const { store, clock } = deps;

  app.get("/v1/cache/entries", async (c) => {
    const limit = pageLimit(c, 20, LIMITS.listPage);
    const of = selection(c);
    const rows = await listEntries(store.sql, {
      tenantId: c.get("caller").tenantId,
      limit: limit + 1,
      nowMs: clock.job(),
      ...of,
      ...pageAfter(c, ["cacheEntry"]),
    });
    return c.json(pageObject(rows, limit, entryObject));
  });

  app.delete("/v1/cache/entries", async (c) => {
    const of = selection(c);
    if (Object.keys(of).length === 0)
      throw fault("missing-parameter", {
        param: "job_id",
        message: "Say what to evict: '?job_id=' or '?namespace=', or the id of one entry in the path.",
      });
    return c.json({ object: "cache.eviction", evicted: await evict(deps, c, of) });
  });

  app.delete("/v1/cache/entries/:id", async (c) => {
    const id = c.req.param("id");
    const evicted = isId("cacheEntry", id) ? await evict(deps, c, { id }) : 0;
    if (evicted === 0) throw fault("not-found", { message: `No cache entry found with id '${id.slice(0, 64)}'.` });
    return c.json({ id, object: "cache.entry", deleted: true });
  });

  app.get("/v1/cache/report", async (c) => {
    const { tenantId } = c.get("caller");
    const days = daysOf(c);
    const nowMs = clock.job();
    const [counts, verdicts, families] = await Promise.all([
      countReuse(store.sql, { tenantId, sinceMs: nowMs - days * DAY_MS }),
      countVerdicts(store.sql, { tenantId, sinceMs: nowMs - days * DAY_MS }),
      listFamilies(store.sql, { tenantId, nowMs }),
    ]);
    const error = realisedError(counts);
    return c.json({
      object: "cache.report",
      days,
      asked: counts.asked,
      reused: counts.reused,
      explored: counts.explored,
      missed: counts.missed,
      hit_rate: counts.asked === 0 ? null : counts.reused / counts.asked,
      explored_wrong: counts.wrong,
      realised_error: error === null ? null : { error: error.error, low: error.low, high: error.high, labels: error.labels },
      judge: { asked: verdicts.asked, said_yes: verdicts.yes, given: verdicts.given, looked_at: verdicts.looked, wrong: verdicts.wrong },
      families: families.map(({ family, endpoint, model, drifting, updatedAtMs, entries }) => ({
        family,
        endpoint,
        model,
        entries,
        drifting,
        learned_at: instant(updatedAtMs),
      })),
    });
  });

  app.post("/v1/jobs/:id/feedback", async (c) => {
    const { tenantId } = c.get("caller");
    const id = c.req.param("id");
    const job = isId("job", id) ? await findJob(store, { tenantId, id }) : null;
    if (job === null) throw fault("not-found", { message: `No job found with id '${id.slice(0, 64)}'.` });
    const said = readFeedback((await readJsonBody(c, FEEDBACK_BYTES)).value);
    const nowMs = clock.job();
    const feedbackId = newId("feedback", nowMs, deps.rng);
    const evicted = await store.begin(async (tx) => {
      await insertFeedback(tx, { id: feedbackId, tenantId, jobId: job.id, ...said, createdAtMs: nowMs });
      const score = said.score ?? (said.good ? 1 : 0);
      if (said.kind === "answer" && job.route !== null) await sayOfPair(tx, { tenantId, jobId: job.id, score, nowMs });
      return said.good === false && said.kind === "answer" ? await takeBack(tx, { tenantId, jobId: job.id, nowMs }) : 0;
    });
    deps.logger.info({ jobId: job.id, tenantId, kind: said.kind, good: said.good, evicted }, "feedback-taken");
    return c.json({ id: feedbackId, object: "feedback", job_id: job.id, kind: said.kind, good: said.good, score: said.score, evicted }, 201);
  });
};

/** A job or a namespace that a call is about. */
function selection(c: Context<AppEnv>): { readonly jobId?: string; readonly namespace?: string } {
  const [jobId, namespace] = [c.req.query("job_id"), c.req.query("namespace")];
  if (jobId !== undefined && !isId("job", jobId)) throw fault("invalid-request", { param: "job_id", message: "'job_id' must be the id of a job." });
  if (namespace !== undefined && !/^[0-9a-f]{64}$/.test(namespace))
    throw fault("invalid-request", { param: "namespace", message: "'namespace' must be the 64 hex digits that a listed entry shows." });
  return { ...(jobId === undefined ? {} : { jobId }), ...(namespace === undefined ? {} : { namespace }) };
}

function daysOf(c: Context<AppEnv>): number {
  const text = c.req.query("days") ?? "7";
  const days = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (days < 1 || days > 365) throw fault("invalid-request", { param: "days", message: "'days' must be a whole number from 1 to 365." });
  return days;
}

async function evict(
  deps: AppDeps,
  c: Context<AppEnv>,
  of: { readonly id?: string; readonly jobId?: string; readonly namespace?: string },
): Promise<number> {
  const { tenantId, keyId } = c.get("caller");
  const evicted = await deps.store.begin((tx) => evictEntries(tx, { tenantId, ...of, why: `evicted by ${keyId}`, nowMs: deps.clock.job() }));
  deps.logger.info({ tenantId, evicted, ...of }, "cache-evicted");
  return evicted;
}

/**
 * Takes a wrong answer back: where it was given again, its entry goes, the pair is never matched again and the threshold rises; where it was made for this job,
 * it is not given to others. Returns how many entries went.
 */
async function takeBack(tx: Sql, of: { readonly tenantId: string; readonly jobId: string; readonly nowMs: number }): Promise<number> {
  const { tenantId, nowMs } = of;
  const given = await readGiven(tx, of);
  if (given === null) return 0;
  const why = `feedback on ${of.jobId}`;
  if (given.kind !== "reuse" || given.entryId === null)
    return given.ownEntryId === null ? 0 : await evictEntries(tx, { tenantId, id: given.ownEntryId, why, nowMs });
  if (given.entryText !== null) {
    const id = { tenantId, family: Buffer.from(given.family).toString("hex") };
    const held = await lockFamily(tx, { ...id, endpoint: given.endpoint, model: given.model, state: writeState(emptyState()), nowMs });
    const state = complain(readState(held.state), given.text, given.entryText);
    await saveFamily(tx, { ...id, state: writeState(state), drifting: held.drifting, nowMs });
  }
  return await evictEntries(tx, { tenantId, id: given.entryId, why, nowMs });
}

const MEMBERS = ["good", "score", "kind", "comment"];

/** What is said of an answer: `good`, a `score` from 0 to 1, or both; what about (`kind`), and a comment. */
function readFeedback(value: Readonly<Record<string, unknown>>) {
  const bad = (param: string, message: string): never => {
    throw fault("invalid-request", { param, message });
  };
  const unknown = Object.keys(value).find((name) => !MEMBERS.includes(name));
  if (unknown !== undefined) bad(unknown.slice(0, 64), `'${unknown.slice(0, 64)}' is not known here; known: ${MEMBERS.join(", ")}.`);
  const { good = null, score = null, kind = "answer", comment = null } = value;
  if (good !== null && typeof good !== "boolean") bad("good", "'good' must be true or false.");
  if (score !== null && !(typeof score === "number" && score >= 0 && score <= 1)) bad("score", "'score' must be a number from 0 to 1.");
  if (good === null && score === null)
    throw fault("missing-parameter", { param: "good", message: "Say whether the answer was good: 'good', 'score' or both." });
  if (typeof kind !== "string" || !/^[a-z][a-z-]{0,31}$/.test(kind))
    bad("kind", "'kind' must be a word of at most 32 small letters, such as 'answer'.");
  if (comment !== null && (typeof comment !== "string" || comment.length > COMMENT_CHARS))
    bad("comment", `'comment' must be a text of at most ${COMMENT_CHARS} characters.`);
  const clean = comment === null ? null : (comment as string).toWellFormed().replaceAll("\0", "");
  return { good: good as boolean | null, score: score as number | null, kind: kind as string, comment: clean };
}
