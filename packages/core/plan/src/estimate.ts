import type { Endpoint } from "@slowboat/contract";

/** Output assumed where the caller sets no limit: the 95th percentile of a published population of chat requests. */
export const DEFAULT_OUTPUT_TOKENS = 512;

/**
 * Token estimates from sizes alone, for quotes and queues; what is billed comes from the provider's own count. Input is the
 * body's bytes / 3.5 rounded up: English runs at about 4.2 bytes a token, so this lies above for prose and near for code.
 * Output is the caller's limit where there is one (`max_tokens`, `max_completion_tokens`, `max_output_tokens`), 0 for embeddings and classes.
 */
export function estimateTokens(endpoint: Endpoint, bodyBytes: number, maxOutputTokens: number | null): { inputTokens: number; outputTokens: number } {
  const answersInNumbers = endpoint === "/v1/embeddings" || endpoint === "/v1/classifications";
  const limit =
    maxOutputTokens !== null && Number.isFinite(maxOutputTokens) && maxOutputTokens >= 0
      ? Math.min(Math.floor(maxOutputTokens), 1_000_000)
      : DEFAULT_OUTPUT_TOKENS;
  return { inputTokens: Math.max(1, Math.ceil(bodyBytes / 3.5)), outputTokens: answersInNumbers ? 0 : limit };
}
