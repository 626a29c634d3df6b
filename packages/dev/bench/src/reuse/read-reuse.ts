import { readFileSync } from "node:fs";

/** A request of a stream; equal answers may be shared, `null` is answered by nothing. */
export interface StreamRow {
  readonly text: string;
  readonly answer: string | null;
}

/** Two questions and whether one's answer is right for the other. */
export interface PairRow {
  readonly a: string;
  readonly b: string;
  readonly same: boolean;
}

/** A follow-up with the turn that it follows. */
export interface FollowUp {
  readonly context: readonly [string, string];
  readonly text: string;
}

type Members = Readonly<Record<string, unknown>>;

/** Reads JSON lines; an error names the file, the line and what is wrong with it. */
function readLines<T>(path: string, read: (row: Members) => T | string): T[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line, at) => {
      if (line.trim() === "") return [];
      let row: unknown;
      try {
        row = JSON.parse(line);
      } catch (cause) {
        throw new Error(`${path}, line ${at + 1}: not JSON`, { cause });
      }
      const found = typeof row === "object" && row !== null ? read(row as Members) : "not an object";
      if (typeof found === "string") throw new Error(`${path}, line ${at + 1}: ${found}`);
      return [found];
    });
}

const isText = (value: unknown): value is string => typeof value === "string" && value.trim() !== "";

/** Rows `{text, answer}` in order of arrival. */
export const readStream = (path: string): StreamRow[] =>
  readLines(path, ({ text, answer }) => {
    if (!isText(text)) return "'text' is not a text";
    return answer === null || isText(answer) ? { text, answer } : "'answer' is neither a text nor null";
  });

/** Rows `{a, b, same}` with `same` 0 or 1. */
export const readPairs = (path: string): PairRow[] =>
  readLines(path, ({ a, b, same }) => {
    if (!isText(a) || !isText(b)) return "'a' and 'b' are not both texts";
    return same === 0 || same === 1 || typeof same === "boolean" ? { a, b, same: Boolean(same) } : "'same' is neither 0 nor 1";
  });

/** Rows `{context: [question, answer], text}`. */
export const readFollowUps = (path: string): FollowUp[] =>
  readLines(path, ({ context, text }) => {
    if (!Array.isArray(context) || context.length !== 2 || !context.every(isText)) return "'context' is not [question, answer]";
    return isText(text) ? { context: context as [string, string], text } : "'text' is not a text";
  });
