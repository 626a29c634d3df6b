import type { Endpoint, ModelRule } from "@slowboat/contract";
import { estimateTokens } from "@slowboat/plan";
import type { Accepted, ModelLimits, PriceBook } from "@slowboat/pricing";

/** What a request asks of whatever model answers it. */
export interface Needs {
  /** Estimated tokens of its words, schema and tools; media are not counted, since their tokens are the provider's affair. */
  readonly inputTokens: number;
  /** The most that it lets the answer be, in tokens; `null` where it does not say. */
  readonly outputTokens: number | null;
  /** What it holds, and the field that holds it. */
  readonly kinds: ReadonlyMap<Accepted, string>;
}

type Members = Readonly<Record<string, unknown>>;
const isMembers = (value: unknown): value is Members => typeof value === "object" && value !== null && !Array.isArray(value);

/** Content parts of all three APIs that are more than text. */
const MEDIA: ReadonlyMap<unknown, Accepted> = new Map([
  ...["image_url", "input_image", "image"].map((type) => [type, "image"] as const),
  ...["input_audio", "audio"].map((type) => [type, "audio"] as const),
  ...["file", "input_file", "document"].map((type) => [type, "pdf"] as const),
]);
/** Content lies in messages, in tool results, and in what these hold; deeper than this nobody puts any. */
const DEPTH_MAX = 6;

/** Reads what a request needs: media wherever content may hold them, tools, a schema, and how many tokens. */
export function needsOf({ endpoint, value, text }: { readonly endpoint: Endpoint; readonly value: Members; readonly text: string }): Needs {
  const kinds = new Map<Accepted, string>([["text", "model"]]);
  let mediaChars = 0;
  const look = (content: unknown, field: string, depth: number): void => {
    if (depth > DEPTH_MAX) return;
    if (Array.isArray(content)) for (const one of content) look(one, field, depth + 1);
    if (!isMembers(content)) return;
    const kind = MEDIA.get(content["type"]);
    if (kind === undefined || isTextDocument(content)) {
      look(content["content"], field, depth + 1);
      look(content["output"], field, depth + 1);
      return;
    }
    kinds.set(kind, field);
    mediaChars += charsIn(content, 0);
  };
  for (const field of ["messages", "input", "system"]) look(value[field], field, 0);
  if (Array.isArray(value["tools"]) && value["tools"].length > 0) kinds.set("tools", "tools");
  const schema = schemaField(value);
  if (schema !== null) kinds.set("schema", schema);
  const outputTokens = outputBound(value);
  const { inputTokens } = estimateTokens(endpoint, Math.max(1, Buffer.byteLength(text) - mediaChars), outputTokens);
  return { inputTokens, outputTokens, kinds };
}

/** A document of the messages API that is text after all. */
const isTextDocument = ({ type, source }: Members): boolean =>
  type === "document" && isMembers(source) && (source["type"] === "text" || source["type"] === "content");

function charsIn(value: unknown, depth: number): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null || depth > DEPTH_MAX) return 0;
  return Object.values(value).reduce((sum: number, one) => sum + charsIn(one, depth + 1), 0);
}

function schemaField(value: Members): string | null {
  const typeIn = (field: string, member: string): unknown => {
    const outer = value[field];
    const inner = member === "" ? outer : isMembers(outer) ? outer[member] : null;
    return isMembers(inner) ? inner["type"] : null;
  };
  if (typeIn("response_format", "") === "json_schema") return "response_format";
  if (typeIn("text", "format") === "json_schema") return "text.format";
  return typeIn("output_config", "format") === "json_schema" ? "output_config.format" : null;
}

/** The most tokens that a request lets one answer be; `null` where it does not say. */
export const outputBound = (value: Members): number | null => {
  for (const name of ["max_completion_tokens", "max_output_tokens", "max_tokens"]) {
    const bound = value[name];
    if (typeof bound === "number") return bound;
  }
  return null;
};

/** Why a model cannot be asked this, `field: why`; `null` where it can, or where nothing is known that speaks against it. */
export function unfit(limits: ModelLimits | undefined, { inputTokens, outputTokens, kinds }: Needs): string | null {
  if (limits === undefined) return null;
  const { context, maxOutput, accepts } = limits;
  for (const [kind, field] of kinds) if (accepts?.includes(kind) === false) return `${field}: the model takes no ${kind}`;
  if (maxOutput !== undefined && outputTokens !== null && outputTokens > maxOutput)
    return `max_tokens: ${outputTokens} are asked for, the model gives at most ${maxOutput}`;
  const whole = inputTokens + Math.max(0, outputTokens ?? 0);
  return context !== undefined && whole > context ? `context: about ${whole} tokens with the answer, the model holds ${context}` : null;
}

/** Why a tenant's rule keeps a model from being asked in another's place; `null` where it may. A dated id is the model that it is dated from. */
export function ruledOut(book: PriceBook, rule: ModelRule | null, name: string): string | null {
  if (rule === null) return null;
  const names = [name, book.priceIds.get(name) ?? name];
  if (names.some((one) => rule.deny.includes(one))) return "policy: the tenant denies this model";
  return rule.allow === null || names.some((one) => rule.allow?.includes(one)) ? null : "policy: the model is not among those that the tenant allows";
}
