import { type Classify, EMBEDDING_DIMENSIONS, type Embed } from "@slowboat/engine";
import { type Fault, type FaultCode, fault, isFault } from "@slowboat/kernel";
import { z } from "zod";

/** The model that computes everything the pool serves; it is what answers name. */
const POOL_MODEL = "use-lite-en";

/** Model ids that the pool takes, by endpoint. */
export const POOL_MODELS: Readonly<Record<PoolEndpoint, readonly string[]>> = {
  "/v1/embeddings": [POOL_MODEL, "slowboat-embed"],
  "/v1/classifications": [POOL_MODEL, "slowboat-classify"],
};

export type PoolEndpoint = "/v1/embeddings" | "/v1/classifications";

/** One answer as HTTP would carry it: `body` is raw JSON, an OpenAI-shaped error where `fault` is set. */
export interface PoolAnswer {
  readonly status: number;
  readonly body: string;
  readonly fault: Fault | null;
}

/** One request: raw JSON as the caller wrote it. `model`, where the scheduler chose one, stands in place of the body's. */
export interface PoolRequest {
  readonly endpoint: PoolEndpoint;
  readonly body: string;
  readonly model?: string;
}

/** Answers one request. Rejects only with the reason of `signal`; everything else is an answer. */
export type PoolApi = (request: PoolRequest, signal: AbortSignal) => Promise<PoolAnswer>;

const input = z.union([z.string(), z.array(z.string())], { error: "must be a string or an array of strings" });

const embeddingBody = z.looseObject({
  model: z.string(),
  input,
  encoding_format: z.enum(["float", "base64"]).default("float"),
  dimensions: z.literal(EMBEDDING_DIMENSIONS, { error: `must be ${EMBEDDING_DIMENSIONS}, the model's own` }).optional(),
});

const classificationBody = z.looseObject({
  model: z.string(),
  input,
  /** Names, or names with the descriptions that texts are compared with. */
  labels: z.union([z.array(z.string()), z.record(z.string(), z.string())], {
    error: "must be an array of strings, or an object of descriptions by label",
  }),
});

/**
 * The pool's two endpoints over an engine, without a transport: HTTP and the queue answer with the same text. Embeddings have the OpenAI API's shape,
 * `float` numbers rounded to 8 decimals (a cosine moves by less than 1e-12) and `base64` exact float32, little-endian. Usage counts the tokens computed:
 * at most 1,024 of each text; labels are free.
 */
export function createPoolApi(engine: { readonly embed: Embed; readonly classify: Classify }, onError: (error: unknown) => void): PoolApi {
  const embeddings = async (raw: PoolRequest, signal: AbortSignal): Promise<string> => {
    const request = parseBody(embeddingBody, raw);
    checkModel("/v1/embeddings", request.model);
    const { vectors, tokens } = await engine.embed(textsOf(request.input), signal);
    const write = request.encoding_format === "base64" ? base64Json : floatJson;
    const data = vectors.map((vector, index) => `{"object":"embedding","index":${index},"embedding":${write(vector)}}`);
    return `{"object":"list","data":[${data.join(",")}],"model":"${POOL_MODEL}","usage":${usageJson(tokens)}}`;
  };
  const classifications = async (raw: PoolRequest, signal: AbortSignal): Promise<string> => {
    const request = parseBody(classificationBody, raw);
    checkModel("/v1/classifications", request.model);
    const labels = Array.isArray(request.labels)
      ? request.labels.map((name) => ({ name, description: name }))
      : Object.entries(request.labels).map(([name, description]) => ({ name, description }));
    const results = await engine.classify(textsOf(request.input), labels, signal);
    const data = results.map(({ label, scores }, index) => JSON.stringify({ index, label, scores }));
    return `{"object":"list","model":"${POOL_MODEL}","data":[${data.join(",")}],"usage":${usageJson(results.map((result) => result.tokens))}}`;
  };
  return async (request, signal) => {
    try {
      return { status: 200, body: await (request.endpoint === "/v1/embeddings" ? embeddings : classifications)(request, signal), fault: null };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!isFault(error)) onError(error);
      return errorAnswer(isFault(error) ? error : fault("internal", { cause: error }));
    }
  };
}

/** Fault codes that OpenAI's clients know under another name; `null` where that API sends no code. */
const OPENAI_CODE: Partial<Record<FaultCode, string | null>> = { "unknown-model": "model_not_found", "invalid-request": null, "not-found": null };

/** A fault in the OpenAI API's error shape. */
export function errorAnswer(cause: Fault): PoolAnswer {
  const named = OPENAI_CODE[cause.code];
  const error = {
    message: cause.message,
    type: cause.status >= 500 ? "server_error" : "invalid_request_error",
    param: cause.detail.param ?? null,
    code: named === undefined ? cause.code.replaceAll("-", "_") : named,
  };
  return { status: cause.status, body: JSON.stringify({ error }), fault: cause };
}

function parseBody<T extends z.ZodType>(schema: T, { body, model }: PoolRequest): z.infer<T> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw fault("invalid-json", { cause });
  }
  if (model !== undefined && typeof value === "object" && value !== null && !Array.isArray(value)) value = { ...value, model };
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const param = issue?.path.join(".") ?? "";
  const absent = typeof value === "object" && value !== null && param !== "" && !(param in value) && !param.includes(".");
  if (absent) throw fault("missing-parameter", { param, message: `'${param}' is missing.` });
  throw fault("invalid-request", {
    param: param === "" ? "body" : param,
    message: `'${param === "" ? "body" : param}': ${issue?.message ?? "not valid"}.`,
  });
}

function checkModel(endpoint: PoolEndpoint, model: string): void {
  const known = POOL_MODELS[endpoint];
  if (!known.includes(model))
    throw fault("unknown-model", { param: "model", message: `The pool does not serve '${model}' at ${endpoint}; it serves ${known.join(" and ")}.` });
}

function textsOf(value: string | readonly string[]): readonly string[] {
  const texts = typeof value === "string" ? [value] : value;
  if (texts.length === 0) throw fault("empty-input", { param: "input", message: "The input has no text." });
  return texts;
}

function usageJson(tokens: readonly number[]): string {
  const total = tokens.reduce((sum, count) => sum + count, 0);
  return `{"prompt_tokens":${total},"total_tokens":${total}}`;
}

const floatJson = (vector: Float32Array): string => `[${Array.from(vector, (value) => Math.round(value * 1e8) / 1e8).join(",")}]`;

/** Float32Array is little-endian on every platform that Node runs on. */
const base64Json = (vector: Float32Array): string => `"${Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64")}"`;
