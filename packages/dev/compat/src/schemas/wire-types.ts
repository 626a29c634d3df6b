import type Anthropic from "@anthropic-ai/sdk";
import type OpenAI from "openai";

/** A page of either list endpoint of the OpenAI-compatible API. */
interface Page<Item> {
  object: "list";
  data: Item[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

/** A page of the Anthropic-compatible API. */
interface MessagePage<Item> {
  data: Item[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

/** The error envelope; the client's type names the object inside. */
interface OpenAiError {
  error: OpenAI.ErrorObject;
}

/** A line of a batch's output or error file, which no client type describes (providers.md A5). */
interface BatchRow {
  id: string;
  custom_id: string;
  response: { status_code: number; request_id: string; body: object } | null;
  error: { code: string; message: string } | null;
}

/** What the OpenAI-compatible API sends, in the words of the official client's own types. */
export interface OpenAiWire {
  batch: OpenAI.Batch;
  batches: Page<OpenAI.Batch>;
  batchRow: BatchRow;
  chat: OpenAI.ChatCompletion;
  chunk: OpenAI.ChatCompletionChunk;
  embeddings: OpenAI.CreateEmbeddingResponse;
  error: OpenAiError;
  event: OpenAI.Responses.ResponseStreamEvent;
  file: OpenAI.FileObject;
  fileDeleted: OpenAI.FileDeleted;
  files: Page<OpenAI.FileObject>;
  model: OpenAI.Model;
  models: { object: "list"; data: OpenAI.Model[] };
  response: OpenAI.Responses.Response;
}

/** What the Anthropic-compatible API sends. */
export interface AnthropicWire {
  batch: Anthropic.Messages.MessageBatch;
  batchDeleted: Anthropic.Messages.DeletedMessageBatch;
  batches: MessagePage<Anthropic.Messages.MessageBatch>;
  error: Anthropic.ErrorResponse;
  event: Anthropic.RawMessageStreamEvent;
  message: Anthropic.Message;
  model: Anthropic.ModelInfo;
  models: MessagePage<Anthropic.ModelInfo>;
  row: Anthropic.Messages.MessageBatchIndividualResponse;
  tokens: Anthropic.MessageTokensCount;
}
