import type { Asking } from "./asking.ts";
import type { Json } from "./json.ts";
import { answerChat, chatChunks, checkChat } from "./openai-chat.ts";
import { answerEmbeddings, checkEmbeddings } from "./openai-embeddings.ts";
import { answerResponses, checkResponses, responseEvents } from "./openai-responses.ts";
import type { Answered } from "./types.ts";

export interface Endpoint {
  /** The body member without which a line of a batch fails validation. */
  readonly required: string;
  check(body: Json): void;
  answer(asking: Asking, body: Json): Answered;
  /** The answer as stream payloads, or null where the endpoint does not stream. */
  readonly stream: ((answer: Json, body: Json) => Json[]) | null;
}

const includesUsage = (body: Json): boolean => (body["stream_options"] as Json | undefined)?.["include_usage"] === true;

/** The emulated OpenAI endpoints that generate or embed, each both synchronous and in batches. */
export const OPENAI_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  "/v1/chat/completions": {
    required: "messages",
    check: checkChat,
    answer: answerChat,
    stream: (answer, body) => chatChunks(answer, includesUsage(body)),
  },
  "/v1/responses": { required: "input", check: checkResponses, answer: answerResponses, stream: (answer) => responseEvents(answer) },
  "/v1/embeddings": { required: "input", check: checkEmbeddings, answer: answerEmbeddings, stream: null },
};
