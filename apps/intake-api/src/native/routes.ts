import { readJobRequest } from "@slowboat/contract";
import { asksAlias, holdOf, type IntakeTerms, nativeJob, promiseAsk, refuseHopeless, rememberLongOutputs, restsOnBatches } from "@slowboat/intake";
import { type JobState, jobMay } from "@slowboat/job";
import { fault, isId, LIMITS } from "@slowboat/kernel";
import { fileCallLog, findJob, listAttempts, listDelays, listJobs, readJobReceipt, readResult, type ShownJob } from "@slowboat/store";
import type { Context } from "hono";
import type { AppDeps, AppEnv, Mount } from "../http/env.ts";
import { EMULATED_LABEL } from "../http/env.ts";
import { earlierId, idempotencyOf } from "../http/idempotency.ts";
import { pageAfter, pageLimit, pageObject } from "../http/query.ts";
import { headerTerms } from "../http/terms.ts";
import { readJsonBody } from "../interactive/read-body.ts";
import { cancelJob } from "./cancel-job.ts";
import { decisionList, lastDelay } from "./decisions.ts";
import { acceptedObject, jobDetail, jobObject } from "./job-object.ts";

const ROUTE = "POST /v1/jobs";
const STATES: readonly JobState[] = ["accepted", "placed", "completed", "failed", "cancelled"];

/** The native API: one request a job, what became of it, the list, and cancelling. */
export const nativeRoutes: Mount = (app, deps) => {
  const terms: IntakeTerms = { book: deps.book, clock: deps.clock, rng: deps.rng, house: deps.house };
  const longOutputs = rememberLongOutputs(deps.store.sql, deps.clock);

  app.get("/v1/clock", (c) => {
    const jobMs = deps.clock.job();
    return c.json({
      object: "clock",
      job_time: new Date(jobMs).toISOString(),
      job_time_ms: jobMs,
      scale: deps.clock.scale,
      emulated: deps.house.emulated,
      label: deps.house.emulated ? EMULATED_LABEL : null,
    });
  });

  app.post("/v1/jobs", async (c) => {
    const caller = c.get("caller");
    const body = await readJsonBody(c);
    const claim = idempotencyOf(c, body.text);
    const replay = async (jobId: string): Promise<Response> => {
      c.header("idempotent-replayed", "true");
      return c.json(acceptedObject(await found(deps, c, jobId)), 202);
    };
    const earlier = await earlierId(deps, c, ROUTE, claim);
    if (earlier !== null) return await replay(earlier);
    const { job, hope } = nativeJob(terms, caller, {
      envelopeText: body.text,
      envelope: readJobRequest(body.value),
      asked: headerTerms(c.req.raw.headers, deps.house.lanes, caller.semanticCache),
      ...(asksAlias(requestOf(body.value)) ? { routes: await deps.routes.load(caller.tenantId) } : {}),
    });
    if (restsOnBatches(terms, hope, job.acceptedAtMs))
      refuseHopeless({ ...terms, turnaround: (await deps.sight()).turnaround }, hope, job.acceptedAtMs);
    await deps.limiter.admit(c, { tokens: job.inputTokensEst + job.outputTokensEst, call: false });
    const promise = job.admission == null ? null : promiseAsk(deps.book, hope, job.admission, await deps.sight());
    const hold = await holdOf(terms, caller, { job, judged: hope.judged }, longOutputs);
    const accepted = await deps.desk.accept({ job, claim: claim ? { route: ROUTE, ...claim } : null, hold, promise });
    if (accepted.replayed) return await replay(accepted.jobId);
    deps.logger.info(
      { jobId: job.id, tenantId: caller.tenantId, endpoint: job.endpoint, model: job.model, deadlineAtMs: job.deadlineAtMs },
      "job-accepted",
    );
    return c.json(acceptedObject(job), 202);
  });

  app.get("/v1/jobs", async (c) => {
    const limit = pageLimit(c, 20, LIMITS.listPage);
    const state = c.req.query("state");
    const batchId = c.req.query("batch_id");
    const states = state?.split(",").map((one) => {
      if ((STATES as readonly string[]).includes(one)) return one;
      throw fault("invalid-request", { param: "state", message: `'${one.slice(0, 32)}' is not a state of a job; known: ${STATES.join(", ")}.` });
    });
    if (batchId !== undefined && !isId("batch", batchId) && !isId("messageBatch", batchId))
      throw fault("not-found", { param: "batch_id", message: "No such batch." });
    // What was called a moment ago is on the first page, and belongs to no batch.
    if (batchId === undefined && !c.req.query("after")) await fileCallLog(deps.store);
    const rows = await listJobs(deps.store.sql, {
      tenantId: c.get("caller").tenantId,
      limit,
      ...pageAfter(c, ["job"]),
      ...(states ? { states } : {}),
      ...(batchId === undefined ? {} : { batchId }),
    });
    return c.json(pageObject(rows, limit, jobObject));
  });

  app.get("/v1/jobs/:id", async (c) => detail(deps, c, await found(deps, c, c.req.param("id"))));

  app.get("/v1/jobs/:id/decision", async (c) => {
    const job = await found(deps, c, c.req.param("id"));
    const of = { tenantId: job.tenantId, jobId: job.id };
    const [attempts, delays] = await Promise.all([listAttempts(deps.store.sql, of), listDelays(deps.store.sql, of)]);
    return c.json(decisionList(job, attempts, delays));
  });

  app.post("/v1/jobs/:id/cancel", async (c) => {
    const job = await found(deps, c, c.req.param("id"));
    const cancelled = await cancelJob(deps, { tenantId: job.tenantId, id: job.id });
    const now = await found(deps, c, job.id);
    if (!cancelled && now.state !== "cancelled" && !jobMay(now.state as JobState, "cancelled")) {
      throw fault("wrong-state", { message: `The job has already ${now.state === "failed" ? "failed" : "completed"}; there is nothing to cancel.` });
    }
    return await detail(deps, c, now);
  });
};

/** The request inside a native envelope, to see which model it asks for. */
function requestOf(envelope: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const nested = (envelope["request"] as { body?: unknown } | null | undefined)?.body;
  const body = envelope["body"] ?? nested;
  return typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
}

async function found(deps: AppDeps, c: Context<AppEnv>, id: string): Promise<ShownJob> {
  const row = isId("job", id) ? await findJob(deps.store, { tenantId: c.get("caller").tenantId, id }) : null;
  if (row === null) throw fault("not-found", { message: `No job found with id '${id.slice(0, 64)}'.` });
  return row;
}

async function detail(deps: AppDeps, c: Context<AppEnv>, job: ShownJob): Promise<Response> {
  const of = { tenantId: job.tenantId, jobId: job.id };
  const { sql } = deps.store;
  const [attempts, result, receipt] = await Promise.all([listAttempts(sql, of), readResult(sql, of), readJobReceipt(sql, of)]);
  if (result?.emulated === true || receipt.some((row) => row.emulated)) c.header("x-slowboat-emulated", EMULATED_LABEL);
  const delay = attempts.length > 0 ? null : lastDelay(await listDelays(sql, of));
  return c.body(jobDetail(job, { attempts, result, receipt, delay }), 200, { "content-type": "application/json" });
}
