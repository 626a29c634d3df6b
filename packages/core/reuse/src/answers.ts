import type { Endpoint } from "@slowboat/contract";
import { hexOf, sha256 } from "@slowboat/kernel";
import { guard } from "@slowboat/reuse-semantic";
import { canonicalBody } from "./canonical.ts";

type Members = Readonly<Record<string, unknown>>;
const membersOf = (value: unknown): Members => (typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : {});
const listOf = (value: unknown): readonly Members[] => (Array.isArray(value) ? value.map(membersOf) : []);
const joined = (parts: readonly Members[]): string | null => {
  const texts = parts.flatMap(({ type, text }) => ((type === "text" || type === "output_text") && typeof text === "string" ? [text] : []));
  return texts.length === 0 ? null : texts.join("");
};

/** What an answer says in words, whatever its API; `null` where it says nothing, or calls a tool. */
export function answerText(endpoint: Endpoint, body: unknown): string | null {
  const answer = membersOf(body);
  if (endpoint === "/v1/messages") {
    const content = listOf(answer["content"]);
    return content.some(({ type }) => type === "tool_use") ? null : joined(content);
  }
  if (endpoint === "/v1/responses") {
    const output = listOf(answer["output"]);
    return output.some(({ type }) => type === "function_call") ? null : joined(output.flatMap(({ content }) => listOf(content)));
  }
  const message = membersOf(listOf(answer["choices"])[0]?.["message"]);
  if (Array.isArray(message["tool_calls"]) && message["tool_calls"].length > 0) return null;
  return typeof message["content"] === "string" ? message["content"] : null;
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
 * Compares two answers: by their key; where one of them is JSON or a few words, by that alone; else by what must never differ (numbers, names, negations).
 * `null` where only their meaning can tell.
 */
export function compareAnswers(a: string, b: string): Compared | null {
  if (answerKeyOf(a) === answerKeyOf(b)) return { same: true, by: "exact" };
  if (structured(a) !== null || structured(b) !== null) return { same: false, by: "structure" };
  const words = (text: string): number => plain(text).split(" ").length;
  if (Math.min(words(a), words(b)) < SHORT_WORDS) return { same: false, by: "exact" };
  return guard(a, b).length > 0 ? { same: false, by: "meaning" } : null;
}

/** Whether two answers whose vectors have this cosine say the same, where `compareAnswers` could not tell. */
export const sameMeaning = (cosine: number): Compared => ({ same: cosine >= SAME_PROSE, by: "meaning" });
