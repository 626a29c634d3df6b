import { type Endpoint, expandLanes, isEndpoint, isNameList, nearestWord, readMetadata, readNames } from "@slowboat/contract";
import {
  type Caller,
  type IntakeTerms,
  lineRequests,
  listRequests,
  oneRequest,
  type QuotedRequest,
  type QuoteTerms,
  readAdmission,
  readCacheWish,
  readDeadline,
  readMaxCost,
  readWindow,
  tierWishes,
} from "@slowboat/intake";
import { elementSpans, fault, LIMITS, memberSpans } from "@slowboat/kernel";
import { storedSemantic, usualWish, writeWish } from "@slowboat/reuse";
import { readFileRow } from "@slowboat/store";
import type { Context } from "hono";
import type { AppDeps, AppEnv } from "../../http/env.ts";
import { headerTerms, laneWords } from "../../http/terms.ts";
import { bodyChunks, readJsonBody } from "../../interactive/read-body.ts";

/** The requests of a quote as they are judged, and what holds for all of them. */
export interface QuoteInput {
  readonly requests: AsyncIterable<
    QuotedRequest | { readonly code: string; readonly message: string; readonly param: string | null; readonly line: number | null }
  >;
  readonly terms: QuoteTerms;
}

/** Members that say what holds for all requests, in a body and in the query of streamed lines. */
const COMMON = ["deadline", "allow", "deny", "max_cost_usd", "cache", "fallbacks", "model", "admission"] as const;
const LIST = ["requests", ...COMMON] as const;
const FILE = ["input_file_id", "endpoint", "completion_window", "metadata", "service_tier", ...COMMON] as const;
const QUERY = ["endpoint", ...COMMON] as const;

type Members = Readonly<Record<string, unknown>>;

/**
 * Reads what is to be quoted: a job as `POST /v1/jobs` takes it, a list of requests, the file of a batch, or the lines themselves
 * (`content-type: application/jsonl`), which are judged as they arrive and never held together.
 */
export async function readQuote(deps: AppDeps, c: Context<AppEnv>): Promise<QuoteInput> {
  const caller = c.get("caller");
  const intake: IntakeTerms = { book: deps.book, clock: deps.clock, rng: deps.rng, house: deps.house };
  const nowMs = deps.clock.job();
  if (/^application\/(?:jsonl|x-ndjson|x-jsonlines)\b/i.test(c.req.header("content-type") ?? "")) {
    const query = c.req.query();
    refuseUnknown(query, QUERY);
    const terms = await commonTerms(deps, c, { ...query, metadata: undefined }, nowMs, false);
    return { terms, requests: lineRequests(intake, caller, { chunks: heldLines(c), endpoint: endpointOf(query["endpoint"]) }, terms) };
  }
  const body = await readJsonBody(c);
  if (body.value["input_file_id"] !== undefined) return await fileInput(deps, c, { intake, caller, value: body.value, nowMs });
  if (body.value["requests"] !== undefined) {
    refuseUnknown(body.value, LIST);
    const terms = await commonTerms(deps, c, body.value, nowMs, true);
    return { terms, requests: listRequests(intake, caller, elementsOf(body.text, body.value["requests"]), terms) };
  }
  const terms = await commonTerms(deps, c, {}, nowMs, true);
  return { terms, requests: oneRequest(intake, caller, body, terms) };
}

async function fileInput(
  deps: AppDeps,
  c: Context<AppEnv>,
  { intake, caller, value, nowMs }: { intake: IntakeTerms; caller: Caller; value: Members; nowMs: number },
): Promise<QuoteInput> {
  refuseUnknown(value, FILE);
  const id = value["input_file_id"];
  if (typeof id !== "string") throw fault("invalid-request", { param: "input_file_id", message: "'input_file_id' must be the id of a file." });
  const file = await readFileRow(deps.store.sql, { tenantId: caller.tenantId, id, nowMs });
  if (file === null || file.purpose !== "batch")
    throw fault("not-found", {
      param: "input_file_id",
      message: `Cannot find file ${id.slice(0, 64)}, or it was not uploaded with purpose 'batch'.`,
    });
  const terms = await commonTerms(deps, c, value, nowMs, false);
  return { terms, requests: lineRequests(intake, caller, { chunks: deps.blob.get(file.blobKey), endpoint: endpointOf(value["endpoint"]) }, terms) };
}

function elementsOf(text: string, list: unknown) {
  if (!Array.isArray(list)) throw fault("invalid-request", { param: "requests", message: "'requests' must be a list." });
  const span = memberSpans(text).get("requests");
  const spans = span ? elementSpans(text, span.start) : [];
  return list.map((value: unknown, index) => {
    const at = spans[index];
    return { index, offset: at?.start ?? 0, text: at ? text.slice(at.start, at.end) : "{}", value };
  });
}

function refuseUnknown(value: Members, known: readonly string[]): void {
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const param = unknown.slice(0, 64);
  throw fault("invalid-request", { param, message: `Unknown field '${param}'. Did you mean '${nearestWord(unknown, known)}'?` });
}

function endpointOf(name: unknown): Endpoint | null {
  if (name === undefined || name === null) return null;
  if (typeof name === "string" && isEndpoint(name)) return name;
  throw fault("invalid-request", {
    param: "endpoint",
    message: "'endpoint' is not one of those that a batch can have, such as /v1/chat/completions.",
  });
}

/** The headers go first, then a member of the body (or of the query), then a batch's metadata, its window and its tier. */
async function commonTerms(deps: AppDeps, c: Context<AppEnv>, value: Members, nowMs: number, mixed: boolean): Promise<QuoteTerms> {
  const known = deps.house.lanes;
  const asked = headerTerms(c.req.raw.headers, known, c.get("caller").semanticCache);
  const metadata = readMetadata(value["metadata"]);
  const word = (name: string): string | undefined => (metadata !== null && Object.hasOwn(metadata, name) ? metadata[name] : undefined);
  const lanes = (name: "allow" | "deny") => asked[name] ?? wordsOf(value[name], name, known) ?? laneWords(word(name), `metadata.${name}`, known);
  const deadline = asked.deadline?.text ?? value["deadline"] ?? word("deadline");
  const window = value["completion_window"];
  const tier = tierWishes(value["service_tier"], known);
  const deadlineAtMs =
    deadline !== undefined && deadline !== null
      ? readDeadline(deadline, nowMs, asked.deadline?.name ?? (value["deadline"] == null ? "metadata.deadline" : "deadline"))
      : window !== undefined && window !== null
        ? readWindow(window, nowMs, "completion_window")
        : tier === null
          ? null
          : nowMs + tier.windowMs;
  const settings = storedSemantic(c.get("caller").semanticCache);
  const admission = value["admission"] ?? word("admission");
  if (admission !== undefined && typeof admission !== "string")
    throw fault("invalid-request", { param: "admission", message: "'admission' must be guaranteed, likely or best_effort." });
  const cache = value["cache"] ?? word("cache");
  const names = value["fallbacks"] ?? word("fallbacks");
  if (names !== undefined && typeof names !== "string" && !isNameList(names))
    throw fault("invalid-request", { param: "fallbacks", message: "'fallbacks' must be a list of model names." });
  const model = value["model"] ?? null;
  if (model !== null && (typeof model !== "string" || model === ""))
    throw fault("invalid-request", { param: "model", message: "'model' must be the name of a model." });
  return {
    nowMs,
    routes: await deps.routes.load(c.get("caller").tenantId),
    asked,
    mixed: mixed || word("mixed_models") === "true",
    deadlineAtMs,
    allow: lanes("allow") ?? tier?.allow ?? null,
    deny: lanes("deny"),
    maxCostNano: readMaxCost(amountOf(value["max_cost_usd"] ?? word("max_cost_usd")), "max_cost_usd"),
    reuseMode: writeWish(asked.cache ?? (typeof cache === "string" ? readCacheWish(cache, "cache", settings) : usualWish(settings))),
    fallbacks: asked.fallbacks ?? (names === undefined ? null : readNames(names, "fallbacks")),
    model,
    admission: asked.admission ?? (admission === undefined ? null : readAdmission(admission, "admission")),
  };
}

/** An amount as `readMaxCost` takes it; anything else reads as no amount, which it refuses. */
const amountOf = (value: unknown): string | number | null | undefined =>
  value === null || value === undefined || typeof value === "string" || typeof value === "number" ? value : "";

function wordsOf(value: unknown, param: string, known: AppDeps["house"]["lanes"]) {
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return laneWords(value, param, known);
  if (Array.isArray(value) && value.every((word): word is string => typeof word === "string")) return expandLanes(value, param, known);
  throw fault("invalid-request", { param, message: `'${param}' must be a list of lanes.` });
}

const NEWLINE = 10;

/** The body in pieces; the line that is not complete yet counts towards what the process may hold. */
async function* heldLines(c: Context<AppEnv>): AsyncGenerator<Uint8Array> {
  let size = 0;
  let held = 0;
  for await (const chunk of bodyChunks(c.req.raw)) {
    size += chunk.byteLength;
    if (size > LIMITS.batchFileBytes)
      throw fault("body-too-large", { message: `The lines may have at most ${LIMITS.batchFileBytes} bytes together.` });
    const last = chunk.lastIndexOf(NEWLINE);
    held = last < 0 ? Math.min(LIMITS.lineBytes, held + chunk.byteLength) : chunk.byteLength - last - 1;
    c.get("body").set(held);
    yield chunk;
  }
}
