import type { Endpoint } from "@slowboat/contract";
import { memberSpans, replaceSpans, sha256 } from "@slowboat/kernel";
import { canonicalBody } from "../canonical.ts";
import { languageOf } from "./language.ts";

/** Goes up with every change of what a namespace or a vector stands for: what was kept before is then not found any more. */
const POLICY_VERSION = 1;

/** A request whose question may be answered by one that means the same. */
export interface SemanticQuestion {
  readonly tenantId: string;
  readonly endpoint: Endpoint;
  /** The exact model that the caller's name stands for. */
  readonly model: string;
  /** Raw JSON text of the body, and the same to look at. */
  readonly body: string;
  readonly value: Readonly<Record<string, unknown>>;
  /** Which encoder makes the vectors, with its version. */
  readonly embedder: string;
}

/** Where a question may look for answers. */
export interface Namespace {
  /**
   * Digest of everything but the question: tenant, endpoint, model, all earlier messages, tools, schema, parameters, language, encoder, policy. Nothing
   * outside it is ever looked at.
   */
  readonly namespace: Uint8Array;
  /** Digest of what tasks of one kind share: tenant, endpoint, model, instructions, encoder, policy. What is learned of one is used for all of them. */
  readonly family: Uint8Array;
}

type Value = Readonly<Record<string, unknown>>;
const isRecord = (value: unknown): value is Value => typeof value === "object" && value !== null && !Array.isArray(value);

/** Stands where the question stood. No text of a caller's can be it, since it is no text. */
const HOLE = { slowboat_question: true };

/** The part of a content that is the question, taken out; `null` where there is none to take. Pictures and files stay. */
function withoutText(content: unknown): unknown {
  if (typeof content === "string") return HOLE;
  if (!Array.isArray(content)) return null;
  let found = false;
  const rest = content.map((part: unknown) => {
    if (!isRecord(part) || typeof part["text"] !== "string") return part;
    found = true;
    return { ...part, text: HOLE };
  });
  return found ? rest : null;
}

/** The messages without the text of the last one, which must be the user's. */
function holed(messages: unknown): unknown {
  if (typeof messages === "string") return HOLE;
  if (!Array.isArray(messages)) return null;
  const last: unknown = messages.at(-1);
  if (!isRecord(last) || last["role"] !== "user") return null;
  const content = withoutText(last["content"]);
  return content === null ? null : [...messages.slice(0, -1), { ...last, content }];
}

const MESSAGES: Partial<Record<Endpoint, string>> = { "/v1/chat/completions": "messages", "/v1/messages": "messages", "/v1/responses": "input" };

/** The instructions that a conversation begins with. */
function instructionsOf(value: Value, messages: unknown): unknown[] {
  const leading: unknown[] = [];
  for (const message of Array.isArray(messages) ? messages : []) {
    if (!isRecord(message) || (message["role"] !== "system" && message["role"] !== "developer")) break;
    leading.push(message["content"]);
  }
  return [value["system"] ?? null, value["instructions"] ?? null, ...leading];
}

/**
 * Where a question may look for answers; `null` for a request that has no question of its own at its end. `text` is the question as it is compared,
 * which gives the language.
 */
export function namespaceOf(question: SemanticQuestion, text: string): Namespace | null {
  const { tenantId, endpoint, model, body, value, embedder } = question;
  const name = MESSAGES[endpoint];
  if (name === undefined) return null;
  const messages = value[name];
  const rest = holed(messages);
  const span = memberSpans(body).get(name);
  if (rest === null || span === undefined) return null;
  const context = canonicalBody(replaceSpans(body, [{ span, with: JSON.stringify(rest) }]));
  const scope = [POLICY_VERSION, tenantId, endpoint, model, embedder];
  return {
    namespace: sha256(`${JSON.stringify([...scope, languageOf(text)])}${context}`),
    family: sha256(JSON.stringify([...scope, instructionsOf(value, messages)])),
  };
}
