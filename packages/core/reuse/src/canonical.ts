import { LIMITS } from "@slowboat/kernel";

/** Members that say how an answer is delivered, billed or booked, never what it says. Only at the top level. */
const NOT_THE_QUESTION = new Set([
  "model",
  "stream",
  "stream_options",
  "user",
  "safety_identifier",
  "metadata",
  "service_tier",
  "store",
  "prompt_cache_key",
  "prompt_cache_retention",
  "prompt_cache_options",
]);

const leftOut = (key: string): boolean => NOT_THE_QUESTION.has(key) || key.startsWith("slowboat");

/** Walks JSON text that `JSON.parse` has accepted. */
class Reader {
  readonly text: string;
  at = 0;
  constructor(text: string) {
    this.text = text;
  }

  space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return;
      this.at++;
    }
  }

  /** The raw string literal at the cursor, quotes included. */
  string(): string {
    const start = this.at;
    let end = this.text.indexOf('"', start + 1);
    while (end > 0) {
      let slashes = 0;
      while (this.text.charCodeAt(end - 1 - slashes) === 92) slashes++;
      if (slashes % 2 === 0) break;
      end = this.text.indexOf('"', end + 1);
    }
    this.at = end < 0 ? this.text.length : end + 1;
    return this.text.slice(start, this.at);
  }
}

/** One spelling a string: escapes are resolved where there are any; lone surrogates and NUL come back as escapes. */
const spelled = (literal: string): string => (literal.includes("\\") ? JSON.stringify(JSON.parse(literal) as string) : literal);

function value(reader: Reader, depth: number): string {
  if (depth > LIMITS.jsonDepth) throw new Error(`invariant broken: JSON deeper than ${LIMITS.jsonDepth} was let in`);
  reader.space();
  const first = reader.text.charCodeAt(reader.at);
  if (first === 34) return spelled(reader.string());
  if (first === 123) return object(reader, depth);
  if (first === 91) return array(reader, depth);
  const start = reader.at;
  while (reader.at < reader.text.length && !",]} \n\r\t".includes(reader.text.charAt(reader.at))) reader.at++;
  return reader.text.slice(start, reader.at);
}

function object(reader: Reader, depth: number): string {
  const entries: { key: string; text: string }[] = [];
  reader.at++;
  reader.space();
  while (reader.at < reader.text.length && reader.text.charCodeAt(reader.at) === 34) {
    const key = spelled(reader.string());
    reader.space();
    reader.at++;
    const text = value(reader, depth + 1);
    if (depth > 0 || !leftOut(key.slice(1, -1))) entries.push({ key, text: `${key}:${text}` });
    reader.space();
    if (reader.text.charCodeAt(reader.at) === 44) reader.at++;
    reader.space();
  }
  reader.at++;
  // Stable: a repeated key keeps its order, since readers differ in which one they take.
  entries.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return `{${entries.map((e) => e.text).join(",")}}`;
}

function array(reader: Reader, depth: number): string {
  const parts: string[] = [];
  reader.at++;
  reader.space();
  while (reader.at < reader.text.length && reader.text.charCodeAt(reader.at) !== 93) {
    parts.push(value(reader, depth + 1));
    reader.space();
    if (reader.text.charCodeAt(reader.at) === 44) reader.at++;
    reader.space();
  }
  reader.at++;
  return `[${parts.join(",")}]`;
}

/**
 * One text for all bodies that ask the same: members in key order, no spaces, one spelling of escapes, and without the members
 * that do not change the answer. Numbers stay as they were written, so 1 and 1.0 differ and no digit of a big integer is lost.
 * `body` is JSON text that `JSON.parse` accepts, at most as deep as the limit.
 */
export const canonicalBody = (body: string): string => value(new Reader(body), 0);
