import { modelOf } from "./catalog.ts";
import { Refusal } from "./errors.ts";
import { isObject, type Json, textOf } from "./json.ts";
import { isBlank, linesOf } from "./lines.ts";
import type { BatchError, Checked, OpenAiBatch } from "./openai-batch.ts";
import { countInputs } from "./openai-embeddings.ts";
import { OPENAI_ENDPOINTS } from "./openai-endpoints.ts";
import type { StoredFile } from "./world.ts";

const MAX_LINES = 50_000;
const MAX_INPUTS = 50_000;
const MAX_BYTES = 200_000_000;
/** Bad lines listed at most when all are listed. */
const LISTED = 50_000;

export interface BatchFileInput {
  readonly batch: OpenAiBatch;
  readonly file: StoredFile | undefined;
  readonly content: AsyncIterable<Uint8Array>;
  readonly behaviour: { readonly listedErrors: "one" | "all"; readonly enqueuedTokenLimit: number };
  /** Prompt tokens of a model that already wait. */
  readonly enqueuedTokens: (model: string) => number;
  readonly pause: () => Promise<void>;
}

const whole = (code: string, message: string, param: string | null = null): BatchError => ({ code, message, param, line: null });

/** Validation as the provider does it after the batch was made: one bad line fails the whole batch, and nothing is billed. */
export async function checkBatchFile(input: BatchFileInput): Promise<Checked> {
  const { batch, file } = input;
  if (file === undefined || file.purpose !== "batch" || batch.quirks?.fails === "unseen-file") {
    return failed([
      whole("invalid_request", `Cannot find file ${batch.inputFileId}, or organization org-emulated does not have access to it.`, "file_id"),
    ]);
  }
  if (file.bytes > MAX_BYTES) return failed([whole("file_too_large", "The batch input file is larger than the 200 MB maximum.", "file_id")]);
  const state: Scan = { endpoint: batch.endpoint, model: null, ids: new Set(), total: 0, inputs: 0, tokens: 0, failing: [], errors: [] };
  let lineNumber = 0;
  for await (const bytes of linesOf(input.content)) {
    lineNumber++;
    if (isBlank(bytes)) continue;
    await input.pause();
    const error = checkLine(state, bytes, lineNumber);
    if (error !== null) {
      state.errors.push(error);
      if (input.behaviour.listedErrors === "one" || state.errors.length >= LISTED) break;
    }
    state.total++;
  }
  if (state.errors.length > 0) return failed(state.errors);
  if (state.total === 0) return failed([whole("empty_file", "The input file is empty. Please ensure that the batch contains at least one request.")]);
  if (state.total > MAX_LINES)
    return failed([whole("too_many_tasks", `The batch contains too many requests: at most ${MAX_LINES}, got ${state.total}.`)]);
  if (state.inputs > MAX_INPUTS)
    return failed([whole("too_many_tasks", `The batch contains too many embedding inputs: at most ${MAX_INPUTS}, got ${state.inputs}.`)]);
  const limit = input.behaviour.enqueuedTokenLimit;
  const full = batch.quirks?.fails === "token-limit";
  if (state.model !== null && (full || input.enqueuedTokens(state.model) + state.tokens > limit)) {
    const message = `Enqueued token limit reached for ${state.model} in organization org-emulated. Limit: ${limit.toLocaleString("en-US")} enqueued tokens. Please try again once some in_progress batches have been completed.`;
    return failed([whole("token_limit_exceeded", message)]);
  }
  return { model: state.model, total: state.total, errors: [], failing: state.failing, enqueuedTokens: state.tokens };
}

const failed = (errors: readonly BatchError[]): Checked => ({ model: null, total: 0, errors, failing: [], enqueuedTokens: 0 });

interface Scan {
  readonly endpoint: string;
  model: string | null;
  readonly ids: Set<string>;
  total: number;
  inputs: number;
  tokens: number;
  readonly failing: number[];
  readonly errors: BatchError[];
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    return undefined;
  }
}

/** The first thing wrong with a line, in the provider's words, or null. */
function checkLine(state: Scan, bytes: Uint8Array, line: number): BatchError | null {
  const bad = (code: string, message: string, param: string | null): BatchError => ({ code, message, param, line });
  const value = parse(bytes);
  if (!isObject(value)) return bad("invalid_json_line", "This line is not parseable as valid JSON.", null);
  for (const name of ["custom_id", "method", "url", "body"])
    if (value[name] === undefined) return bad("missing_required_parameter", `Missing required parameter: '${name}'.`, name);
  const customId = value["custom_id"];
  if (typeof customId !== "string") return bad("invalid_request", "Invalid type for 'custom_id': expected a string.", "custom_id");
  if (state.ids.has(customId))
    return bad(
      "duplicate_custom_id",
      `The custom_id '${customId}' for this request is a duplicate of another request. The custom_id parameter must be unique for each request in a batch.`,
      "custom_id",
    );
  state.ids.add(customId);
  if (value["method"] !== "POST") return bad("invalid_method", "The HTTP method must be POST.", "method");
  if (value["url"] !== state.endpoint)
    return bad("invalid_url", `The URL provided for this request does not match the batch endpoint '${state.endpoint}'.`, "url");
  const body = value["body"];
  if (!isObject(body)) return bad("invalid_request", "Invalid type for 'body': expected an object.", "body");
  return checkBody(state, body, bytes.length, bad);
}

function checkBody(
  state: Scan,
  body: Json,
  bytes: number,
  bad: (code: string, message: string, param: string | null) => BatchError,
): BatchError | null {
  const endpoint = OPENAI_ENDPOINTS[state.endpoint];
  const model = textOf(body["model"]);
  if (model === "") return bad("invalid_request", "you must provide a model parameter", "body.model");
  if (state.model !== null && model !== state.model)
    return bad(
      "mismatched_model",
      `The model '${model}' provided for this request does not match the rest of the batch. Each batch must contain requests for a single model.`,
      "body.model",
    );
  if (modelOf("openai", model) === undefined)
    return bad("model_not_found", `The provided model '${model}' is not supported by the Batch API.`, "body.model");
  state.model = model;
  if (body["stream"] === true) return bad("streaming_unsupported", "Streaming is not supported in the Batch API.", "body.stream");
  const required = endpoint?.required ?? "";
  if (body[required] === undefined) return bad("missing_required_parameter", `Missing required parameter: '${required}'.`, `body.${required}`);
  state.inputs += state.endpoint === "/v1/embeddings" ? countInputs(body) : 0;
  // Four bytes a token is near enough for a queue limit; billing counts exactly.
  state.tokens += Math.ceil(bytes / 4);
  try {
    endpoint?.check(body);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    state.failing.push(state.total);
  }
  return null;
}
