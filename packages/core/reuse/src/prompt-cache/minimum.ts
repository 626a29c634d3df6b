import type { Provider } from "@slowboat/contract";

/** The fewest prompt tokens that each Claude model caches, as Anthropic's page gives them (September 2026). */
const CLAUDE: Readonly<Record<string, number>> = {
  "claude-fable-5": 512,
  "claude-fable-5-1": 512,
  "claude-mythos-5": 512,
  "claude-mythos-5-1": 512,
  "claude-opus-5": 512,
  "claude-opus-5-5": 512,
  "claude-opus-4-8": 1024,
  "claude-sonnet-5": 1024,
  "claude-sonnet-4-6": 1024,
  "claude-sonnet-4-5": 1024,
  "claude-opus-4-7": 2048,
  "claude-3-5-haiku": 2048,
  "claude-opus-4-6": 4096,
  "claude-opus-4-5": 4096,
  "claude-haiku-4-5": 4096,
};

/** Models whose minimum is not published (Sonnet 5.5, Haiku 5.5, Fable 5.2, and what is yet to come): the highest known one. */
const CLAUDE_UNKNOWN = 4096;
/** OpenAI from GPT-5.6 on: strictly 1,024. */
const OPENAI_WRITES = 1024;
/** OpenAI before: 1,024 to 2,048, and it costs nothing to be cautious. */
const OPENAI_AUTOMATIC = 2048;

/** The fewest tokens of a prefix that a model keeps. A shorter one is silently not cached, so being wrong loses a saving and never money. */
export function leastPrefixTokens(provider: Provider, model: string, writesAtAPrice: boolean): number {
  if (provider === "openai") return writesAtAPrice ? OPENAI_WRITES : OPENAI_AUTOMATIC;
  // Dated ids share the minimum of the id they are dated from.
  return CLAUDE[model] ?? CLAUDE[model.replace(/-\d{8}$/, "")] ?? CLAUDE_UNKNOWN;
}
