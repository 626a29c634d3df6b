/** A chat completion with this content, as OpenAI would write it. */
export const completion = (content: string): string =>
  JSON.stringify({
    id: "chatcmpl-instant",
    object: "chat.completion",
    created: 1_780_000_000,
    model: "gpt-4.1-mini-2025-04-14",
    choices: [{ index: 0, message: { role: "assistant", content, refusal: null }, logprobs: null, finish_reason: "stop" }],
    usage: {
      prompt_tokens: 220,
      completion_tokens: 7,
      total_tokens: 227,
      prompt_tokens_details: { cached_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
    },
    service_tier: "default",
  });
