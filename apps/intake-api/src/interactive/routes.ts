import type { Endpoint } from "@slowboat/contract";
import type { Interactive, InteractiveReply } from "@slowboat/dispatch";
import { chooseModel } from "@slowboat/intake";
import { fault, isFault } from "@slowboat/kernel";
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { versionHeaders } from "../anthropic/version.ts";
import { type App, type AppDeps, type AppEnv, EMULATED_LABEL, type Mount } from "../http/env.ts";
import { idempotencyOf } from "../http/idempotency.ts";
import { type RunOnce, runOnce } from "./once.ts";
import { type JsonBody, readJsonBody } from "./read-body.ts";
import { readWishes } from "./read-wishes.ts";
import { sseBytes } from "./sse.ts";

const SYNCHRONOUS: readonly Endpoint[] = ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/classifications", "/v1/messages"];

/** The synchronous endpoints of both APIs, and `count_tokens`: one request in, the provider's own answer or event stream out. */
export const interactiveRoutes =
  (interactive: Interactive): Mount =>
  (app: App, deps: AppDeps): void => {
    const once = runOnce(deps);
    for (const endpoint of SYNCHRONOUS) app.post(endpoint, (c) => answer({ ...deps, interactive, once }, c, endpoint));
    app.post("/v1/messages/count_tokens", async (c) => {
      const headers = versionHeaders(c.req.raw.headers);
      const body = await readJsonBody(c.env.incoming);
      const model = chooseModel(deps.book, {
        name: body.value["model"],
        endpoint: "/v1/messages",
        allowUnpriced: c.var.caller.allowUnpriced,
        param: "model",
      });
      const counted = await interactive.count({ model: model.model, body: body.text, headers });
      if (counted.emulated) c.header("x-slowboat-emulated", EMULATED_LABEL);
      retryAfter(c, counted.retryAfterMs);
      return raw(c, counted.statusCode, counted.body);
    });
  };

type AnswerDeps = AppDeps & { readonly interactive: Interactive; readonly once: RunOnce };

async function answer(deps: AnswerDeps, c: Context<AppEnv>, endpoint: Endpoint): Promise<Response> {
  const surface = endpoint === "/v1/messages" ? "anthropic" : "openai";
  const headers = surface === "anthropic" ? versionHeaders(c.req.raw.headers) : undefined;
  const body = await readJsonBody(c.env.incoming);
  const { tenantId, keyId, allowUnpriced } = c.var.caller;
  const { signal } = c.req.raw;
  const stream = body.value["stream"] === true;
  // Judged only where it is run: the same call again gets its answer although its deadline has passed since.
  const run = (): Promise<InteractiveReply> => {
    const model = chooseModel(deps.book, { name: body.value["model"], endpoint, allowUnpriced, param: "model" });
    refuseBackground(endpoint, body);
    const wishes = readWishes(c.req.raw.headers, body, deps.clock.job());
    return deps.interactive.run(
      {
        tenantId,
        keyId,
        allowUnpriced,
        surface,
        endpoint,
        model,
        ...(headers === undefined ? {} : { headers }),
        value: body.value,
        ...wishes,
        maxOutputTokens: outputBound(body),
        stream,
      },
      signal,
    );
  };
  const keyed = idempotencyOf(c, body.text);
  const call = keyed && { ...keyed, tenantId, route: `POST ${endpoint}`, requestId: c.var.requestId, stream, signal };
  const { reply, replayed } = call === null ? { reply: await run(), replayed: false } : await deps.once(call, async () => await run());
  if (replayed) c.header("idempotent-replayed", "true");
  tellWho(c, reply);
  if (reply.kind === "failed") throw reply.fault;
  if (reply.kind === "answer") {
    retryAfter(c, reply.retryAfterMs);
    return raw(c, reply.statusCode, reply.body);
  }
  const requestId = c.var.requestId;
  const onError = (thrown: unknown): void => {
    const inside = isFault(thrown) ? thrown.detail.inside : undefined;
    deps.logger.error({ err: thrown, requestId, jobId: reply.jobId, inside }, "stream-broken");
  };
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

const outputBound = (body: JsonBody): number | null => {
  for (const name of ["max_completion_tokens", "max_output_tokens", "max_tokens"]) {
    const bound = body.value[name];
    if (typeof bound === "number") return bound;
  }
  return null;
};

/** Says in headers which job this was, who answered it, and whether that was the emulator. */
function tellWho(c: Context<AppEnv>, reply: InteractiveReply): void {
  c.header("slowboat-job-id", reply.jobId);
  c.header("slowboat-lane", reply.lane);
  if (reply.kind === "answer" && reply.cachedFrom !== null) c.header("slowboat-cache", `hit; job=${reply.cachedFrom}`);
  if (reply.emulated) c.header("x-slowboat-emulated", EMULATED_LABEL);
}

function retryAfter(c: Context<AppEnv>, ms: number | null): void {
  if (ms === null) return;
  c.header("retry-after", String(Math.ceil(ms / 1000)));
  c.header("retry-after-ms", String(Math.ceil(ms)));
}

const raw = (c: Context<AppEnv>, status: number, body: string): Response =>
  c.body(body, status as ContentfulStatusCode, { "content-type": "application/json" });
