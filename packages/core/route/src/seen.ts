import { hexOf, sha256 } from "@slowboat/kernel";

/** What of a request says how hard it is, and which job it belongs to. */
export interface Seen {
  /** The last thing that a person asked, without what a harness put around it. */
  readonly ask: string;
  /** Key of the job or template: the same system prompt, tools, schema and frame of the question. */
  readonly job: string;
  /** JSON schema that the answer must follow; `null` for none. */
  readonly schema: unknown;
  readonly wantsJson: boolean;
  /** False where it holds an image, a sound or a file, which the words say nothing of. */
  readonly plain: boolean;
}

type Members = Readonly<Record<string, unknown>>;
const isMembers = (value: unknown): value is Members => typeof value === "object" && value !== null && !Array.isArray(value);
const membersOf = (value: unknown): Members => (isMembers(value) ? value : {});

/** Blocks that agents and editors wrap around a question: what stands in them was not asked by anybody. */
const HARNESS = /<((?:system|environment|context|tool|workspace|ide|git|command|user_info|reminder|instructions)[\w-]*)(?:\s[^>]*)?>[\s\S]*?<\/\1>/gi;
const MOST_MESSAGES = 400;
const LABELS_MAX = 12;
const FIRST_WORDS = 5;

/** Reads a request of any chat endpoint; `null` where nothing was asked in words. */
export function seenOf(value: Members): Seen | null {
  const messages = Array.isArray(value["messages"]) ? value["messages"] : Array.isArray(value["input"]) ? value["input"] : [];
  const recent = messages.slice(-MOST_MESSAGES).map(membersOf);
  const plain = typeof value["input"] === "string" ? value["input"] : null;
  const ask = plain ?? lastAsk(recent);
  if (ask === null) return null;
  const instructions = recent.filter(({ role }) => role === "system" || role === "developer").map(({ content }) => textOf(content));
  const system = [textOf(value["system"]), textOf(value["instructions"]), ...instructions].join("\n");
  const { schema, wantsJson } = formatOf(value);
  const tools = Array.isArray(value["tools"])
    ? value["tools"].map(membersOf).map((tool) => String(tool["name"] ?? membersOf(tool["function"])["name"] ?? tool["type"]))
    : [];
  const frame = JSON.stringify([system, skeletonOf(ask), schema ?? null, tools]);
  return { ask, job: hexOf(sha256(frame).subarray(0, 12)), schema, wantsJson, plain: recent.every(({ content }) => isPlain(content)) };
}

/** The last message of a person that says something once the harness is taken off; a tool's results are nobody's question. */
function lastAsk(messages: readonly Members[]): string | null {
  for (let i = messages.length - 1; i >= 0; i--) {
    if (messages[i]!["role"] !== "user") continue;
    const whole = textOf(messages[i]!["content"]);
    const asked = whole.replace(HARNESS, " ").trim();
    if (asked !== "") return asked;
  }
  return null;
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map(membersOf)
    .flatMap(({ type, text }) => ((type === "text" || type === "input_text") && typeof text === "string" ? [text] : []))
    .join("\n");
}

const PLAIN = ["text", "input_text", "output_text", "refusal", "tool_use", "tool_result", "thinking", "redacted_thinking"];
const isPlain = (content: unknown): boolean => !Array.isArray(content) || content.map(membersOf).every(({ type }) => PLAIN.includes(String(type)));

/** What stays the same over the questions of a template: its first words and the labels of its parts. No more is read than is needed. */
function skeletonOf(ask: string): string {
  const labels: string[] = [];
  for (const [, label] of ask.matchAll(/^[ \t]*([A-Za-z#][\w #-]{0,30}):/gm)) if (labels.push(label!.trim().toLowerCase()) === LABELS_MAX) break;
  if (labels.length > 1) return labels.join("|");
  const first: string[] = [];
  for (const [word] of ask.toLowerCase().matchAll(/[\p{L}]+/gu)) if (first.push(word) === FIRST_WORDS) break;
  return first.join(" ");
}

function formatOf(value: Members): { readonly schema: unknown; readonly wantsJson: boolean } {
  const chat = membersOf(value["response_format"]);
  const responses = membersOf(membersOf(value["text"])["format"]);
  const messages = membersOf(membersOf(value["output_config"])["format"]);
  const schema = membersOf(chat["json_schema"])["schema"] ?? responses["schema"] ?? messages["schema"] ?? null;
  return { schema, wantsJson: schema !== null || chat["type"] === "json_object" || responses["type"] === "json_object" };
}
