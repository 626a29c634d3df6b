import { batchesSuite } from "./suite/batches.conformance.ts";
import { filesSuite } from "./suite/files.conformance.ts";
import { generateSuite } from "./suite/generate.conformance.ts";
import { messageBatchesSuite } from "./suite/message-batches.conformance.ts";
import { messagesSuite } from "./suite/messages.conformance.ts";
import { openAiErrorsSuite } from "./suite/openai-errors.conformance.ts";
import { ANTHROPIC, type AnthropicVersion, OPENAI, type OpenAiVersion, type Target } from "./target.ts";

/** The whole suite, through every version of both clients: what our API and the emulator both have to do. */
export function everySuite(at: () => Target): void {
  for (const version of Object.keys(OPENAI) as OpenAiVersion[]) {
    for (const suite of [filesSuite, batchesSuite, generateSuite, openAiErrorsSuite]) suite(at, version);
  }
  for (const version of Object.keys(ANTHROPIC) as AnthropicVersion[]) {
    for (const suite of [messagesSuite, messageBatchesSuite]) suite(at, version);
  }
}
