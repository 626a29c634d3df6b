import { type Rng, seededRng } from "@slowboat/kernel";

/** One of the four arms. */
export interface Arm {
  readonly way: "realtime" | "batch";
  readonly provider: "openai" | "anthropic";
  readonly model: string;
  readonly endpoint: "/v1/chat/completions" | "/v1/messages";
}

/** OpenAI's first generation that writes at a price, and an Anthropic model in the middle of the list. */
const OF = {
  openai: { model: "gpt-5.6-luna", endpoint: "/v1/chat/completions" },
  anthropic: { model: "claude-sonnet-5", endpoint: "/v1/messages" },
} as const;

export const ARMS: readonly Arm[] = (["realtime", "batch"] as const).flatMap((way) =>
  (["openai", "anthropic"] as const).map((provider) => ({ way, provider, ...OF[provider] })),
);

/** How much there is of what. */
export interface Size {
  readonly prefixes: number;
  readonly jobsEach: number;
  readonly without: number;
}

const WORDS = "the ship and its cargo lay at the pier by night with a light on the bow and a bell to ring for the tide as we went to sea".split(" ");
/** Words of these lists run at one token each in o200k. */
const PREFIX_WORDS = 5_990;
const QUESTION_WORDS = 60;
const ALONE_WORDS = 1_500;
const OUTPUT_TOKENS = 120;

const prose = (rng: Rng, words: number): string => Array.from({ length: words }, () => WORDS[rng.u32() % WORDS.length] ?? "ship").join(" ");

/**
 * The lines of one arm as a batch file, in an order that says nothing of the prefixes: `prefixes` system texts of 6,000 tokens with
 * `jobsEach` questions each, and `without` prompts that nobody shares. The custom_id tells which prefix a line has, `p3-17`, or none, `x-5`.
 */
export function linesOf(arm: Arm, size: Size, seed: number): Buffer {
  const rng = seededRng(seed);
  const lines: string[] = [];
  const line = (customId: string, system: string, question: string): void => {
    const messages = [{ role: "user", content: question }];
    const body =
      arm.provider === "anthropic"
        ? { model: arm.model, max_tokens: OUTPUT_TOKENS, system, messages }
        : { model: arm.model, max_completion_tokens: OUTPUT_TOKENS, messages: [{ role: "system", content: system }, ...messages] };
    lines.push(JSON.stringify({ custom_id: customId, method: "POST", url: arm.endpoint, body }));
  };
  for (let p = 0; p < size.prefixes; p++) {
    const system = prose(rng, PREFIX_WORDS);
    for (let i = 0; i < size.jobsEach; i++) line(`p${p}-${i}`, system, prose(rng, QUESTION_WORDS));
  }
  for (let i = 0; i < size.without; i++) line(`x-${i}`, "Say what the text is about.", prose(rng, ALONE_WORDS));
  for (let i = lines.length - 1; i > 0; i--) {
    const j = rng.u32() % (i + 1);
    [lines[i], lines[j]] = [lines[j] ?? "", lines[i] ?? ""];
  }
  return Buffer.from(`${lines.join("\n")}\n`);
}
