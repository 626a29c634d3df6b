import { memberSpans, replaceSpans, type Span } from "@slowboat/kernel";
import type { LaneRequest } from "./port.ts";

/** Tiers that name how Slowboat runs a job; which one is asked of the provider is the lane's affair. */
const OUR_TIERS = ['"flex"', '"batch"'];

/** The raw JSON text of an own member, or `null`. */
export function memberText(text: string, key: string, at = 0): string | null {
  const span = memberSpans(text, at).get(key);
  return span ? text.slice(span.start, span.end) : null;
}

/** Sets or adds members of the object; every other character stays. A new member is put first. */
function setMembers(text: string, values: Readonly<Record<string, string>>): string {
  const spans = memberSpans(text);
  const edits: { span: Span; with: string }[] = [];
  let added = "";
  for (const [key, value] of Object.entries(values)) {
    const span = spans.get(key);
    if (span) edits.push({ span, with: value });
    else added += `${JSON.stringify(key)}:${value},`;
  }
  if (added !== "") {
    const at = text.indexOf("{") + 1;
    edits.push({ span: { start: at, end: at }, with: spans.size === 0 ? added.slice(0, -1) : added });
  }
  return replaceSpans(text, edits);
}

/** The span of a member with its key and one comma, so that what is left is an object again. */
function wholeMember(text: string, value: Span): Span {
  const isSpace = (i: number): boolean => " \n\r\t".includes(text.charAt(i));
  let start = value.start - 1;
  while (text.charAt(start) !== ":") start--;
  do start--;
  while (isSpace(start));
  // The key's closing quote. Inside a string every quote has an odd run of backslashes before it; the opening one has none.
  for (start--; start > 0; start--) {
    if (text.charAt(start) !== '"') continue;
    let slashes = 0;
    while (text.charAt(start - 1 - slashes) === "\\") slashes++;
    if (slashes % 2 === 0) break;
  }
  let end = value.end;
  while (isSpace(end)) end++;
  if (text.charAt(end) === ",") return { start, end: end + 1 };
  let before = start - 1;
  while (isSpace(before)) before--;
  return { start: text.charAt(before) === "," ? before : start, end: value.end };
}

/** Takes members off, repeated keys included. */
function removeMembers(text: string, drop: ReadonlySet<string>): string {
  let out = text;
  for (;;) {
    const found = [...memberSpans(out)].find(([key]) => drop.has(key));
    if (!found) return out;
    out = replaceSpans(out, [{ span: wholeMember(out, found[1]), with: "" }]);
  }
}

const OURS = /^slowboat(?:$|[_-])/;

/**
 * The body as it goes out: the caller's text byte for byte, but for the model this lane runs, `stream`, the usage of a
 * stream, the service tier, and members of ours that no provider knows.
 */
export function outgoing(request: LaneRequest, mode: "call" | "stream", tier: "flex" | null): string {
  const { body } = request;
  const spans = memberSpans(body);
  const given = (key: string): string | null => {
    const span = spans.get(key);
    return span ? body.slice(span.start, span.end) : null;
  };
  const set: Record<string, string> = {};
  const drop = new Set<string>();
  for (const key of spans.keys()) if (OURS.test(key)) drop.add(key);
  const model = given("model");
  if (model === null || JSON.parse(model) !== request.model) set["model"] = JSON.stringify(request.model);
  const asked = given("service_tier");
  if (tier !== null && asked !== `"${tier}"`) set["service_tier"] = `"${tier}"`;
  else if (tier === null && asked !== null && OUR_TIERS.includes(asked)) drop.add("service_tier");
  const streams = given("stream") === "true";
  if (mode === "call" && streams) for (const key of ["stream", "stream_options"]) drop.add(key);
  if (mode === "stream" && !streams) set["stream"] = "true";
  if (mode === "stream" && request.endpoint === "/v1/chat/completions" && !asksForUsage(body)) {
    const options = given("stream_options");
    set["stream_options"] = options?.startsWith("{") ? setMembers(options, { include_usage: "true" }) : '{"include_usage":true}';
  }
  const kept = drop.size === 0 ? body : removeMembers(body, drop);
  return Object.keys(set).length === 0 ? kept : setMembers(kept, set);
}

/** True when the caller wants the usage chunk of a chat stream; else it is ours alone. */
export function asksForUsage(body: string): boolean {
  const options = memberText(body, "stream_options");
  return options !== null && memberText(options, "include_usage") === "true";
}

/** Characters prepared before other work gets a turn. */
const TURN_CHARS = 2 * 1024 * 1024;

/** The bodies of a batch as they go out. A body that needs no edit is the same string, so that no second copy stands in memory. */
export async function outgoingAll(requests: readonly LaneRequest[], finish: (body: string) => string = (body) => body): Promise<string[]> {
  const bodies: string[] = [];
  let chars = 0;
  for (const request of requests) {
    bodies.push(finish(outgoing(request, "call", null)));
    chars += request.body.length;
    if (chars < TURN_CHARS) continue;
    chars = 0;
    await new Promise((done) => setImmediate(done));
  }
  return bodies;
}

/** The body on one line of JSONL: line breaks between tokens become spaces; inside strings JSON has none. */
export const oneLine = (json: string): string => (/[\r\n]/.test(json) ? json.replace(/[\r\n]+/g, " ") : json);
