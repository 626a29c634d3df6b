import { type Endpoint, type Fallback, type JobRoute, storedModelRule, storedNames } from "@slowboat/contract";
import type { Interactive, InteractiveReply } from "@slowboat/dispatch";
import {
  asksAlias,
  type ChosenModel,
  choicesOf,
  chooseModel,
  estimateTokens,
  heldNote,
  jobKeyOf,
  judgeFallbacks,
  outputHeld,
  outputLimit,
  rememberLongOutputs,
  routeRequest,
  withFirst,
} from "@slowboat/intake";
import { fault, isFault, memberSpans, replaceSpans } from "@slowboat/kernel";
import type { RouteBook } from "@slowboat/store";
import type { Context } from "hono";
import { versionHeaders } from "../anthropic/version.ts";
import { type App, type AppDeps, type AppEnv, EMULATED_LABEL, type Mount } from "../http/env.ts";
import { retryHeaders } from "../http/errors.ts";
import { idempotencyOf } from "../http/idempotency.ts";
import { requestIdHeader, speaksAnthropic } from "../http/surface.ts";
import { callPrint, isClientRetry, type LeftCalls, leftCalls } from "./left-calls.ts";
import { type RunOnce, runOnce } from "./once.ts";
import { type JsonBody, readJsonBody } from "./read-body.ts";
import { readWishes } from "./read-wishes.ts";
import { sseBytes } from "./sse.ts";

const SYNCHRONOUS: readonly Endpoint[] = ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/classifications", "/v1/messages"];

/** The synchronous endpoints of both APIs, and `count_tokens`: one request in, the provider's own answer or event stream out. */
export const interactiveRoutes =
  (interactive: Interactive): Mount =>
  (app: App, deps: AppDeps): void => {
    const calls: Calls = { interactive, left: leftCalls(), once: runOnce(deps), longOutputs: rememberLongOutputs(deps.store.sql, deps.clock) };
    for (const endpoint of SYNCHRONOUS) app.post(endpoint, (c) => answer(calls, deps, c, endpoint));
    app.post("/v1/messages/count_tokens", async (c) => {
      const headers = versionHeaders(c.req.raw.headers);
      const body = await readJsonBody(c);
      await deps.limiter.admit(c, { tokens: 0, call: false });
      const model = chooseModel(deps.book, {
        name: body.value["model"],
        endpoint: "/v1/messages",
        allowUnpriced: c.get("caller").allowUnpriced,
        param: "model",
      });
      const counted = await interactive.count({ model: model.model, body: body.text, headers });
      const said: Said = {};
      if (counted.emulated) said["x-slowboat-emulated"] = EMULATED_LABEL;
      tellLimits(c, said, counted.limits);
      return whole(c, counted, said);
    });
  };

interface Calls {
  readonly interactive: Interactive;
  readonly left: LeftCalls;
  readonly once: RunOnce;
  readonly longOutputs: ReturnType<typeof rememberLongOutputs>;
}

/** Headers of a reply, beside its request id. */
type Said = Record<string, string>;

async function answer(calls: Calls, deps: AppDeps, c: Context<AppEnv>, endpoint: Endpoint): Promise<Response> {
  const said: Said = {};
  try {
    return await answered(calls, deps, c, { endpoint, said });
  } catch (thrown) {
    tellAll(c, said);
    throw thrown;
  }
}

async function answered(
  calls: Calls,
  deps: AppDeps,
  c: Context<AppEnv>,
  { endpoint, said }: { readonly endpoint: Endpoint; readonly said: Said },
): Promise<Response> {
  const surface = endpoint === "/v1/messages" ? "anthropic" : "openai";
  const headers = surface === "anthropic" ? versionHeaders(c.req.raw.headers) : undefined;
  const body = await readJsonBody(c);
  const limit = outputLimit(endpoint, body.value);
  const estimate = estimateTokens(endpoint, Buffer.byteLength(body.text), limit);
  await deps.limiter.admit(c, { tokens: estimate.inputTokens + estimate.outputTokens, call: true });
  const { tenantId, keyId, allowUnpriced, budgeted, fallbacks: defaults, semanticCache, models } = c.get("caller");
  const { signal, headers: sent } = c.req.raw;
  const stream = body.value["stream"] === true;
  // Judged only where it is run: the same call again gets its answer although its deadline has passed since.
  const run = async (): Promise<InteractiveReply> => {
    refuseBackground(endpoint, body);
    const wishes = readWishes(sent, body, { endpoint, nowMs: deps.clock.job(), lanes: deps.house.lanes, semanticCache });
    const beta = headers?.["anthropic-beta"];
    const routes = asksAlias(body.value) ? await deps.routes.load(tenantId) : NO_ROUTES;
    const jobKey = jobKeyOf(body.value["metadata"] as Record<string, unknown> | null | undefined);
    const rule = storedModelRule(models);
    const terms = { book: deps.book, routes, rng: deps.rng, rule, allowUnpriced, mayJudge: false, param: "model", jobKey };
    const routed = routeRequest(terms, { endpoint, value: body.value, text: wishes.body, beta });
    const model = chooseModel(deps.book, { name: routed.value["model"], endpoint, allowUnpriced, param: "model" });
    tellRoute(said, routed.route);
    const asked = { endpoint, model: model.model, value: routed.value, text: routed.text, beta };
    const chain = judgeFallbacks(deps.book, asked, { ...wishes.fallbacks, defaults: storedNames(defaults), rule, allowUnpriced });
    const fallbacks = withFirst(routed.first, chain);
    return await calls.interactive.run(
      {
        tenantId,
        keyId,
        allowUnpriced,
        budgeted,
        surface,
        endpoint,
        model,
        ...(headers === undefined ? {} : { headers }),
        value: routed.value,
        ...wishes,
        body: routed.text,
        fallbacks,
        route: routed.route === null ? null : JSON.stringify(routed.route),
        maxOutputTokens: limit,
        ...(budgeted && limit === null && estimate.outputTokens > 0
          ? { heldOutput: await heldOutputOf(calls, { model, chain: fallbacks, tenantId, choices: choicesOf(endpoint, body.value) }) }
          : {}),
        stream,
      },
      signal,
    );
  };
  const print = (): string => callPrint({ keyId, endpoint, headers: sent, body: body.text });
  const taken = isClientRetry(sent) ? await calls.left.take(print()) : null;
  const keyed = idempotencyOf(c, body.text);
  const call = keyed && { ...keyed, tenantId, route: `POST ${endpoint}`, requestId: c.get("requestId"), stream, signal };
  const once = async (): Promise<InteractiveReply> => {
    if (call === null) return await run();
    const { reply, replayed } = await calls.once(call, run);
    if (replayed) said["idempotent-replayed"] = "true";
    return reply;
  };
  const replying = taken === null ? once() : Promise.resolve(taken);
  calls.left.watch(print, signal, replying);
  const reply = await replying;
  // Nobody is there; the stream is kept for the retry, and its reader's alone.
  if (reply.kind === "stream" && signal.aborted) return c.body(null);
  tellWho(c, said, reply);
  if (reply.kind === "failed") throw reply.fault;
  if (reply.kind === "answer") return whole(c, reply, said);
  const requestId = c.get("requestId");
  const onError = (thrown: unknown): void => {
    const inside = isFault(thrown) ? thrown.detail.inside : undefined;
    deps.logger.error({ err: thrown, requestId, jobId: reply.jobId, inside }, "stream-broken");
  };
  tellAll(c, said);
  c.header("content-type", "text/event-stream; charset=utf-8");
  c.header("cache-control", "no-cache");
  c.header("x-accel-buffering", "no");
  return c.body(ReadableStream.from(sseBytes(reply.events, { endpoint, requestId, onError })) as unknown as ReadableStream<Uint8Array>);
}

/** A background response is fetched later by an id of the provider's, which a job here does better. */
function refuseBackground(endpoint: Endpoint, body: JsonBody): void {
  if (endpoint === "/v1/responses" && body.value["background"] === true) {
    throw fault("invalid-request", { param: "background", message: "Background responses are not served; use POST /v1/jobs or POST /v1/batches." });
  }
}

/** What is held for an answer whose request sets no limit, by what the tenant's answers are like. */
async function heldOutputOf(
  calls: Calls,
  { model, chain, tenantId, choices }: { model: ChosenModel; chain: readonly Fallback[]; tenantId: string; choices: number },
): Promise<{ readonly tokens: number; readonly note: string }> {
  const models = [...model.candidates, ...chain].map((one) => one.model);
  const tokens = outputHeld(models, choices, await calls.longOutputs(tenantId));
  return { tokens, note: heldNote(tokens) };
}

const NO_ROUTES: RouteBook = new Map();

/** Says how an alias was routed; who answered then stands in `slowboat-model`. */
function tellRoute(said: Said, route: JobRoute | null): void {
  if (route === null) return;
  said["slowboat-route"] = `${route.alias}; mode=${route.mode}; version=${route.version}`;
  said["slowboat-model"] = route.baseline;
}

/** Says in headers which job this was, who answered it, and whether that was the emulator. */
function tellWho(c: Context<AppEnv>, said: Said, reply: InteractiveReply): void {
  said["slowboat-job-id"] = reply.jobId;
  said["slowboat-lane"] = reply.lane;
  if (reply.fallback !== null) said["slowboat-model"] = reply.fallback;
  if (reply.kind !== "failed" && reply.cachedFrom != null) tellCache(said, reply.cachedFrom, reply.semantic);
  if (reply.requestId !== null) said["slowboat-provider-request-id"] = reply.requestId;
  if (reply.emulated) said["x-slowboat-emulated"] = EMULATED_LABEL;
  tellLimits(c, said, reply.limits);
}

/** Says that the answer was made for another request, which one, and how sure it is that a question which means the same was asked there. */
function tellCache(said: Said, source: string, semantic: { readonly entry: string; readonly score: number } | undefined): void {
  if (semantic === undefined) {
    said["slowboat-cache"] = `hit; job=${source}`;
    return;
  }
  said["slowboat-cache"] = "semantic";
  said["slowboat-cache-source"] = source;
  said["slowboat-cache-entry"] = semantic.entry;
  said["slowboat-cache-score"] = semantic.score.toFixed(4);
}

/** Passes the provider's limits on where they are of the API that was called; of another API's provider the caller's client knows no names. */
function tellLimits(c: Context<AppEnv>, said: Said, limits: Readonly<Record<string, string>>): void {
  const family = speaksAnthropic(c) ? "anthropic-" : "x-ratelimit-";
  for (const [name, value] of Object.entries(limits)) if (name.startsWith(family)) said[name] = value;
}

function tellAll(c: Context<AppEnv>, said: Said): void {
  for (const [name, value] of Object.entries(sayable(said))) c.header(name, value);
}

/** A lane of somebody's own may name itself or its requests as no header can be written: that header is left out, not the answer. */
function sayable(said: Said): Said {
  for (const [name, value] of Object.entries(said)) if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) delete said[name];
  return said;
}

/** A provider's whole answer. Made past the context, which would set its headers one by one on another object, only to be read again. */
function whole(
  c: Context<AppEnv>,
  answer: { readonly statusCode: number; readonly body: string; readonly retryAfterMs: number | null },
  said: Said,
): Response {
  const { statusCode, body } = answer;
  const requestId = c.get("requestId");
  const text = statusCode >= 400 && speaksAnthropic(c) ? withRequestId(body, requestId) : body;
  const headers = { "content-type": "application/json", [requestIdHeader(c)]: requestId, ...retryHeaders(answer.retryAfterMs), ...sayable(said) };
  return new Response(text, { status: statusCode, headers });
}

/** A provider's refusal names its own request; the caller knows ours, which the header says as well. Every other character stays. */
function withRequestId(body: string, requestId: string): string {
  const span = memberSpans(body).get("request_id");
  return span ? replaceSpans(body, [{ span, with: JSON.stringify(requestId) }]) : body;
}
