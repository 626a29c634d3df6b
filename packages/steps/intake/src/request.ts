import { type Endpoint, expandLanes, type Fallback, type LaneId } from "@slowboat/contract";
import { fault } from "@slowboat/kernel";
import { estimateTokens } from "@slowboat/plan";
import { type PriceBook, resolveModel } from "@slowboat/pricing";
import { mayReuse, promptPrefix, type Question, questionOf, type ReuseWish, reuseKey, writeLevels } from "@slowboat/reuse";
import type { NewAsk } from "@slowboat/store";
import { type FallbackWish, judgeFallbacks } from "./fallbacks.ts";
import { type ChosenModel, chooseModel } from "./models.ts";
import { choicesOf, outputLimit } from "./output-held.ts";
import { type RouteTerms, routeRequest } from "./routed.ts";

/** A request as intake reads it: parsed to look at, raw to pass on. */
export interface RawRequest {
  readonly endpoint: Endpoint;
  readonly value: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly bytes: number;
}

/** What intake knows of a request that may run. */
export interface JudgedRequest {
  readonly endpoint: Endpoint;
  readonly model: ChosenModel;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** The request's own bound on its answer in tokens; `null` for none. */
  readonly outputLimit: number | null;
  /** How many answers it asks for at once. */
  readonly choices: number;
  readonly reuseKey: Uint8Array | null;
  /** Its question, where an answer to one that means the same will do. */
  readonly question: Question | null;
  /** Where the prompt may begin like others, as a job keeps it; `null` for a prompt too short to be cached. */
  readonly prefix: string | null;
  /** Models that may answer in its place; empty for none. */
  readonly fallbacks: readonly Fallback[];
  /** How an alias was routed, as the job keeps it; `null` for a pinned model. */
  readonly route: string | null;
  /** What the provider is asked where it is not what was given: an alias is gone from it; `null` else. */
  readonly routedText: string | null;
}

/** The members without which a request cannot mean anything; the provider judges the rest. */
const REQUIRED: Record<Endpoint, readonly string[]> = {
  "/v1/chat/completions": ["messages"],
  "/v1/embeddings": ["input"],
  "/v1/responses": [],
  "/v1/messages": ["messages", "max_tokens"],
  "/v1/classifications": ["input", "labels"],
};

const isText = (value: unknown): value is string => typeof value === "string";
const isTextList = (value: unknown): boolean => Array.isArray(value) && value.length > 0 && value.every(isText);

/** No body shorter than this holds a prefix that a provider caches. */
const SHORT_BYTES = 1_800;

/** Judges a request by what every provider would refuse; throws a fault whose `param` begins with `body.`. */
export function judgeRequest(
  book: PriceBook,
  request: RawRequest,
  who: {
    readonly tenantId: string;
    readonly keyId: string;
    readonly allowUnpriced: boolean;
    readonly cache: ReuseWish;
    readonly fallbacks: FallbackWish;
    /** The caller's aliases and what they are drawn with; absent where none can be asked for. */
    readonly routing?: Pick<RouteTerms, "routes" | "rng" | "jobKey">;
  },
): JudgedRequest {
  const { endpoint, bytes } = request;
  const { value, text, route, first } =
    who.routing === undefined
      ? { ...request, route: null, first: null }
      : routeRequest(
          { ...who.routing, book, rule: who.fallbacks.rule, allowUnpriced: who.allowUnpriced, mayJudge: true, param: "body.model" },
          request,
        );
  const model = chooseModel(book, { name: value["model"], endpoint, allowUnpriced: who.allowUnpriced, param: "body.model" });
  for (const name of REQUIRED[endpoint]) {
    if (value[name] === undefined) throw fault("missing-parameter", { param: `body.${name}`, message: `Missing required parameter: '${name}'.` });
  }
  if (endpoint === "/v1/chat/completions" || endpoint === "/v1/messages") {
    if (!Array.isArray(value["messages"]) || value["messages"].length === 0) {
      throw fault("invalid-request", { param: "body.messages", message: "'messages' must be a list with at least one message." });
    }
  }
  if (endpoint === "/v1/classifications") {
    const { input, labels } = value as { input?: unknown; labels?: unknown };
    if (!isText(input) && !isTextList(input))
      throw fault("invalid-request", { param: "body.input", message: "'input' must be a text or a list of texts." });
    if (!isTextList(labels)) throw fault("invalid-request", { param: "body.labels", message: "'labels' must be a list of texts." });
  }
  if (value["stream"] === true) throw fault("invalid-request", { param: "body.stream", message: "A job is not streamed; leave 'stream' out." });
  const limit = outputLimit(endpoint, value);
  const choices = choicesOf(endpoint, value);
  const { inputTokens, outputTokens: estimated } = estimateTokens(endpoint, bytes, limit);
  const outputTokens = limit === null ? estimated * choices : estimated;
  // Taken here, where the body is parsed anyway: a prompt of 6,000 tokens costs some 70 µs, and the planner never reads a body.
  const prefix = bytes < SHORT_BYTES ? null : writeLevels(promptPrefix({ tenantId: who.tenantId, endpoint, value }));
  const reusable = mayReuse(endpoint, value, who.cache.mode);
  return {
    endpoint,
    model,
    inputTokens,
    outputTokens,
    // Where a bound is given the estimate is that bound; vectors and classes have no tokens at all.
    outputLimit: limit === null && outputTokens > 0 ? null : outputTokens,
    choices,
    prefix,
    fallbacks: withFirst(
      first,
      judgeFallbacks(book, { endpoint, model: model.model, value, text }, { ...who.fallbacks, allowUnpriced: who.allowUnpriced }),
    ),
    route: route === null ? null : JSON.stringify(route),
    routedText: route === null ? null : text,
    reuseKey: reusable ? reuseKey({ tenantId: who.tenantId, endpoint, model: model.model, body: text }) : null,
    question: questionOf({ tenantId: who.tenantId, keyId: who.keyId, endpoint, model: model.model, body: text, value, wish: who.cache }),
  };
}

/** The question that is kept beside a job; `null` where there is none, or the job's lanes rule the cache out. */
export function askOf(
  { question }: Pick<JudgedRequest, "question">,
  job: { readonly jobId: string; readonly lanesAllow: readonly string[] | null; readonly lanesDeny: readonly string[] | null },
  nowMs: number,
): NewAsk | null {
  const { jobId, lanesAllow, lanesDeny } = job;
  const allowed = (lanesAllow === null || lanesAllow.includes("cache")) && lanesDeny?.includes("cache") !== true;
  return question === null || !allowed ? null : { ...question, jobId, createdAtMs: nowMs };
}

/** The caller's own chain with the model that routing put before the asked one. */
export const withFirst = (first: Fallback | null, chain: readonly Fallback[]): readonly Fallback[] =>
  first === null ? chain : [first, ...chain.filter(({ model }) => model !== first.model)];

/**
 * The endpoint of a native request that names none: `labels` means classification, a model that serves one endpoint means that one, and
 * between the two of a chat model `messages` or `input` tells. Anything else is a fault that asks for `endpoint`.
 */
export function inferEndpoint(book: PriceBook, value: Readonly<Record<string, unknown>>): Endpoint {
  if (value["labels"] !== undefined) return "/v1/classifications";
  const known = typeof value["model"] === "string" ? resolveModel(book, value["model"]) : null;
  const [only, second] = known?.endpoints ?? [];
  if (only && !second) return only;
  const fitting = (["/v1/chat/completions", "/v1/messages"] as const).filter((one) => known?.endpoints.includes(one));
  if (value["messages"] !== undefined && known === null) return "/v1/chat/completions";
  if (value["messages"] !== undefined && fitting[0]) return fitting[0];
  if (value["input"] !== undefined && known?.endpoints.includes("/v1/responses")) return "/v1/responses";
  if (value["input"] !== undefined && known?.endpoints.includes("/v1/embeddings")) return "/v1/embeddings";
  throw fault("missing-parameter", { param: "endpoint", message: "The endpoint cannot be told from the request; name it in 'endpoint'." });
}

/** As long as a flex call may take. Without a window of its own a job would be urgent, and never try the tier that it asks for. */
const FLEX_WINDOW_MS = 15 * 60_000;

/** Lanes of `known` and window that a request's `service_tier` asks for; `null` where it asks for nothing special. */
export function tierWishes(tier: unknown, known: readonly LaneId[]): { readonly allow: readonly LaneId[]; readonly windowMs: number } | null {
  if (tier === "flex") return { allow: expandLanes(["cache", "pool", "flex", "realtime"], "service_tier", known), windowMs: FLEX_WINDOW_MS };
  if (tier === "batch") return { allow: expandLanes(["cache", "pool", "batch"], "service_tier", known), windowMs: 24 * 3_600_000 };
  return null;
}
