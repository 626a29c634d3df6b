import { type Asking, openAiTier } from "./asking.ts";
import { EMBEDDING_DIMS } from "./embedding.ts";
import { openAiRefuses } from "./errors.ts";
import { type Json, numberOf } from "./json.ts";
import { checkRange, requireModel } from "./openai-prompt.ts";
import type { Answered } from "./types.ts";

const INPUTS = 2_048;

/** The inputs of an embeddings request: texts, or token arrays that are counted as they are. */
function inputsOf(body: Json): (string | number[])[] {
  const input = body["input"];
  if (input === undefined) throw openAiRefuses("Missing required parameter: 'input'.", "input", "missing_required_parameter");
  const list =
    Array.isArray(input) && input.every((x) => typeof x === "number") && input.length > 0 ? [input] : Array.isArray(input) ? input : [input];
  if (list.length === 0 || list.length > INPUTS)
    throw openAiRefuses(`'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.`, "input");
  return list.map((one) => {
    if (typeof one === "string" && one !== "") return one;
    if (Array.isArray(one) && one.length > 0 && one.every((x) => Number.isInteger(x))) return one as number[];
    throw openAiRefuses(`'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.`, "input");
  });
}

/** How many inputs a line of a batch holds; the whole batch may hold 50,000. */
export const countInputs = (body: Json): number =>
  Array.isArray(body["input"]) && !body["input"].every((x) => typeof x === "number") ? body["input"].length : 1;

/** Refuses what `POST /v1/embeddings` refuses. */
export function checkEmbeddings(body: Json): void {
  requireModel(body, "embedding");
  inputsOf(body);
  checkRange(body, "dimensions", 1, EMBEDDING_DIMS, true);
}

/** Answers `POST /v1/embeddings`, as numbers or as base64 of little-endian float32. Throws a `Refusal`. */
export function answerEmbeddings(asking: Asking, body: Json): Answered {
  const { model, facts } = requireModel(body, "embedding");
  checkEmbeddings(body);
  const dims = numberOf(body["dimensions"]) ?? EMBEDDING_DIMS;
  const base64 = body["encoding_format"] === "base64";
  let tokens = 0;
  const data = inputsOf(body).map((input, index) => {
    const size = typeof input === "string" ? asking.tokens.count(input) : input.length;
    if (size > facts.contextTokens) {
      throw openAiRefuses(
        `This model's maximum context length is ${facts.contextTokens} tokens, however you requested ${size} tokens (${size} in your prompt; 0 for the completion). Please reduce your prompt; or completion length.`,
      );
    }
    tokens += size;
    const vector = asking.embed(typeof input === "string" ? input : input.join(" "), dims);
    return {
      object: "embedding",
      index,
      embedding: base64 ? Buffer.from(vector.buffer).toString("base64") : Array.from(vector, (x) => Math.round(x * 1e8) / 1e8),
    };
  });
  const usage = { prompt_tokens: tokens, total_tokens: tokens };
  const tier = openAiTier(undefined, asking.inBatch).tier;
  return {
    model,
    tier,
    body: { object: "list", data, model, usage },
    usage,
    classes: { input: tokens, cached: 0, write: 0, writeLong: 0, output: 0 },
  };
}
