import type { CacheTtl, Endpoint, PromptMarks } from "@slowboat/contract";
import { elementSpans, memberSpans, replaceSpans, type Span } from "@slowboat/kernel";

interface Edit {
  readonly span: Span;
  readonly with: string;
}

/** The marker of a breakpoint as a member, in the provider's words. The shortest lifetime of each is its default and goes unsaid. */
function marker(endpoint: Endpoint, ttl: CacheTtl): string {
  if (endpoint !== "/v1/messages") return `"prompt_cache_breakpoint":{"mode":"explicit"${ttl === "12h" ? ',"ttl":"12h"' : ""}}`;
  return `"cache_control":{"type":"ephemeral"${ttl === "1h" ? ',"ttl":"1h"' : ""}}`;
}

/** Puts a member in front of an object's others. */
function insert(text: string, object: Span, member: string): Edit | null {
  if (text.charAt(object.start) !== "{") return null;
  const at = object.start + 1;
  return { span: { start: at, end: at }, with: memberSpans(text, object.start).size === 0 ? member : `${member},` };
}

/** Wraps a text literal into a list of one block that carries the marker; the literal itself stays as it is. */
const wrap = (literal: Span, type: string, member: string): Edit[] => [
  { span: { start: literal.start, end: literal.start }, with: `[{"type":"${type}",${member},"text":` },
  { span: { start: literal.end, end: literal.end }, with: "}]" },
];

/** The edits that mark a content value, a text or a list of blocks, at block `index`. */
function markContent(text: string, content: Span, index: number, type: string, member: string): Edit[] {
  if (text.charAt(content.start) === '"') return index === 0 ? wrap(content, type, member) : [];
  const block = elementSpans(text, content.start).at(index);
  const edit = block === undefined ? null : insert(text, block, member);
  return edit === null ? [] : [edit];
}

const TEXT_TYPE: Partial<Record<Endpoint, string>> = { "/v1/responses": "input_text" };

function editsFor(endpoint: Endpoint, body: string, top: ReadonlyMap<string, Span>, at: string, member: string): Edit[] {
  const type = TEXT_TYPE[endpoint] ?? "text";
  if (at === "tools" || at === "system") {
    const span = top.get(at);
    return span === undefined ? [] : markContent(body, span, -1 + Number(body.charAt(span.start) === '"'), type, member);
  }
  const place = /^[ms](\d+)\.(\d+)$/.exec(at);
  const items = top.get(endpoint === "/v1/responses" ? "input" : "messages");
  if (place === null || items === undefined) return [];
  const item = elementSpans(body, items.start)[Number(place[1])];
  const content = item === undefined ? undefined : memberSpans(body, item.start).get("content");
  return content === undefined ? [] : markContent(body, content, Number(place[2]), type, member);
}

/**
 * The body with its markers and nothing else changed: taking them out gives the caller's text back byte for byte. One form must
 * change: a plain text cannot carry a breakpoint, so a `system` or `content` that is one becomes a list with one text block, around
 * the caller's literal as it was written; both forms are the same prompt to the provider. Places that the body does not have are passed over,
 * and a cache key or options of the caller's stay theirs.
 */
export function markPrompt(endpoint: Endpoint, body: string, marks: PromptMarks): string {
  const top = memberSpans(body);
  const edits = marks.breakpoints.flatMap(({ at, ttl }) => editsFor(endpoint, body, top, at, marker(endpoint, ttl)));
  let added = "";
  if (marks.cacheKey !== null && !top.has("prompt_cache_key")) added += `"prompt_cache_key":${JSON.stringify(marks.cacheKey)},`;
  if (marks.explicit && !top.has("prompt_cache_options")) added += '"prompt_cache_options":{"mode":"explicit"},';
  if (added !== "") {
    const at = body.indexOf("{") + 1;
    edits.push({ span: { start: at, end: at }, with: top.size === 0 ? added.slice(0, -1) : added });
  }
  return edits.length === 0 ? body : replaceSpans(body, edits);
}
