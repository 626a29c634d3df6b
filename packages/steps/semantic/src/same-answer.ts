import type { Endpoint } from "@slowboat/contract";
import { hexOf, sha256 } from "@slowboat/kernel";
import { canonicalBody } from "@slowboat/reuse";
import { guard } from "@slowboat/reuse-semantic";

type Value = Readonly<Record<string, unknown>>;
const isRecord = (value: unknown): value is Value => typeof value === "object" && value !== null && !Array.isArray(value);

/** The text that an answer says; `null` where it says something else than one text, such as a tool call. */
export function answerText(endpoint: Endpoint, body: unknown): string | null {
  if (!isRecord(body)) return null;
  if (endpoint === "/v1/messages") return textOf(body["content"], "text");
  if (endpoint === "/v1/responses") {
    const output = Array.isArray(body["output"]) ? body["output"].filter((item) => !isRecord(item) || item["type"] !== "reasoning") : null;
    const [message] = output ?? [];
    return output?.length === 1 && isRecord(message) && message["type"] === "message" ? textOf(message["content"], "output_text") : null;
  }
  const choices = body["choices"];
  const message = Array.isArray(choices) && choices.length === 1 && isRecord(choices[0]) ? choices[0]["message"] : null;
  if (!isRecord(message)) return null;
  const calls = message["tool_calls"];
  if ((Array.isArray(calls) && calls.length > 0) || isRecord(message["function_call"])) return null;
  return typeof message["content"] === "string" ? message["content"] : null;
}

/** The text of parts that are all of one type. */
function textOf(parts: unknown, type: string): string | null {
  if (!Array.isArray(parts) || parts.length === 0) return null;
  const texts = parts.map((part: unknown) => (isRecord(part) && part["type"] === type && typeof part["text"] === "string" ? part["text"] : null));
  return texts.includes(null) ? null : texts.join("");
}

const plain = (text: string): string =>
  text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[\s\p{P}]+/gu, " ")
    .trim();

/** An answer's JSON in one spelling, where it is a JSON object or list; `null` for prose. */
function structured(text: string): string | null {
  const trimmed = text.trim();
  if (!/^[[{]/.test(trimmed)) return null;
  try {
    JSON.parse(trimmed);
    return canonicalBody(trimmed);
  } catch {
    return null;
  }
}

/** What an answer says, by one key: JSON in one spelling, prose without case, spaces and punctuation. */
export const answerKeyOf = (text: string): string => hexOf(sha256(structured(text) ?? plain(text))).slice(0, 32);

/**
 * Below this cosine two texts of prose do not say the same. It is strict on purpose: a pair that is taken for different costs a hit, one that is taken
 * for the same teaches the verifier an error.
 */
const SAME_PROSE = 0.88;
/** Answers of fewer words say what they say by each of them. */
const SHORT_WORDS = 4;

/** How two answers were found to be the same or not. */
export interface Compared {
  readonly same: boolean;
  readonly by: "exact" | "structure" | "meaning";
}

/**
 * Compares two answers: by their key; where one of them is JSON or a few words, by that alone; else by the cosine of their vectors, and by what must never
 * differ (numbers, names, negations). `cosine` is asked only where it decides.
 */
export async function sameAnswer(a: string, b: string, cosine: () => Promise<number | null>): Promise<Compared | null> {
  if (answerKeyOf(a) === answerKeyOf(b)) return { same: true, by: "exact" };
  if (structured(a) !== null || structured(b) !== null) return { same: false, by: "structure" };
  const words = (text: string): number => plain(text).split(" ").length;
  if (Math.min(words(a), words(b)) < SHORT_WORDS) return { same: false, by: "exact" };
  if (guard(a, b).length > 0) return { same: false, by: "meaning" };
  const similarity = await cosine();
  return similarity === null ? null : { same: similarity >= SAME_PROSE, by: "meaning" };
}
