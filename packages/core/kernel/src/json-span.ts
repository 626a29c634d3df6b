/**
 * Finds members and elements in JSON text without re-serialising it, so that payloads keep big integers, `\u0000`, lone
 * surrogates and key order byte for byte. The text must already have passed `JSON.parse`; on anything else the
 * spans are meaningless but the scan still ends.
 */

/** A half-open range [start, end) of the text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const isSpace = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9;

const skipSpace = (text: string, at: number): number => {
  let i = at;
  while (i < text.length && isSpace(text.charCodeAt(i))) i++;
  return i;
};

/** The index after the string literal that opens at `at`: the first quote with an even run of backslashes before it. */
function endOfString(text: string, at: number): number {
  for (let i = text.indexOf('"', at + 1); i >= 0; i = text.indexOf('"', i + 1)) {
    let slashes = 0;
    while (text.charCodeAt(i - 1 - slashes) === 92) slashes++;
    if (slashes % 2 === 0) return i + 1;
  }
  return text.length;
}

/** The key whose literal, quotes included, is `literal`. */
const keyOf = (literal: string): string => (literal.includes("\\") ? String(JSON.parse(literal)) : literal.slice(1, -1));

/** The index after the value that starts at `at`, by counting brackets outside strings: no recursion, whatever the depth. */
function endOfValue(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === 34) return endOfString(text, at);
  if (first !== 123 && first !== 91) {
    let i = at;
    while (i < text.length && !",]}".includes(text.charAt(i)) && !isSpace(text.charCodeAt(i))) i++;
    return i;
  }
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 34) i = endOfString(text, i) - 1;
    else if (code === 123 || code === 91) depth++;
    else if (code === 125 || code === 93) {
      depth--;
      if (depth === 0) return i + 1;
    }
  }
  return text.length;
}

/** The value spans of an object's own members by decoded key, last one winning as in `JSON.parse`. `at` points at `{` or spaces before it. */
export function memberSpans(text: string, at = 0): Map<string, Span> {
  const members = new Map<string, Span>();
  let i = skipSpace(text, at);
  if (text.charCodeAt(i) !== 123) return members;
  i = skipSpace(text, i + 1);
  while (i < text.length && text.charCodeAt(i) === 34) {
    const keyEnd = endOfString(text, i);
    const key = keyOf(text.slice(i, keyEnd));
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = endOfValue(text, start);
    members.set(key, { start, end });
    i = skipSpace(text, end);
    if (text.charCodeAt(i) !== 44) break;
    i = skipSpace(text, i + 1);
  }
  return members;
}

/** The spans of an array's elements. `at` points at `[` or spaces before it. */
export function elementSpans(text: string, at = 0): Span[] {
  const spans: Span[] = [];
  let i = skipSpace(text, at);
  if (text.charCodeAt(i) !== 91) return spans;
  i = skipSpace(text, i + 1);
  while (i < text.length && text.charCodeAt(i) !== 93) {
    const end = endOfValue(text, i);
    spans.push({ start: i, end });
    i = skipSpace(text, end);
    if (text.charCodeAt(i) !== 44) break;
    i = skipSpace(text, i + 1);
  }
  return spans;
}

/** Replaces disjoint spans by new text; every other character stays as it was. */
export function replaceSpans(text: string, edits: readonly { span: Span; with: string }[]): string {
  let out = "";
  let at = 0;
  for (const edit of [...edits].sort((a, b) => a.span.start - b.span.start)) {
    out += text.slice(at, edit.span.start) + edit.with;
    at = edit.span.end;
  }
  return out + text.slice(at);
}

/** The deepest nesting of brackets outside strings; to be checked before anything recursive sees the value. */
export function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 34) i = endOfString(text, i) - 1;
    else if (code === 123 || code === 91) deepest = Math.max(deepest, ++depth);
    else if (code === 125 || code === 93) depth--;
  }
  return deepest;
}
