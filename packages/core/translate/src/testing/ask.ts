import { type Target, translateRequest } from "../index.ts";

/** The two endpoints, and a target of each. For tests. */
export const CHAT = "/v1/chat/completions";
export const MESSAGES = "/v1/messages";
export const claude: Target = { model: "claude-sonnet-4-5", defaultMaxTokens: 4096, anthropicVersion: "2023-06-01" };
export const gpt: Target = { model: "gpt-4.1", defaultMaxTokens: 4096 };
export const user = { role: "user", content: "hi" };

/** What came of a translation, flat. */
interface Outcome {
  readonly body: Record<string, unknown>;
  readonly text: string;
  readonly notes: readonly string[];
  readonly refused: string | null;
}

/** A chat request as a messages request. For tests. */
export function toMessages(body: object, target: Target = claude): Outcome {
  return outcome(translateRequest(CHAT, MESSAGES, JSON.stringify(body), target));
}
/** A messages request, with a limit unless it names one, as a chat request. For tests. */
export function toChat(body: object, target: Target = gpt): Outcome {
  return outcome(translateRequest(MESSAGES, CHAT, JSON.stringify({ max_tokens: 100, ...body }), target));
}
function outcome(result: ReturnType<typeof translateRequest>): Outcome {
  return result.kind === "translated"
    ? { body: JSON.parse(result.body) as Record<string, unknown>, text: result.body, notes: result.notes, refused: null }
    : { body: {}, text: "", notes: [], refused: `${result.field}: ${result.why}` };
}
