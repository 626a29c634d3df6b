/** What an answer counts. */
interface Usage {
  readonly prompt: number;
  readonly cached: number;
  readonly output: number;
}

/** A chat completion with this usage, served at a tier. */
export const answer = (usage: Usage, tier: string): string =>
  JSON.stringify({
    id: "chatcmpl-1",
    model: "gpt-5-mini-2025-08-07",
    service_tier: tier,
    choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "yes" } }],
    usage: {
      prompt_tokens: usage.prompt,
      completion_tokens: usage.output,
      total_tokens: usage.prompt + usage.output,
      prompt_tokens_details: { cached_tokens: Math.min(usage.cached, usage.prompt) },
    },
  });

/** A message with this usage. */
export const messageAnswer = (usage: object): string =>
  JSON.stringify({ id: "msg_1", type: "message", role: "assistant", model: "claude-haiku-4-5", content: [], stop_reason: "end_turn", usage });
