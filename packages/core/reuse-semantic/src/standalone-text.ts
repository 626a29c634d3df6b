import type { Endpoint } from "@slowboat/contract";
import { hexOf, sha256 } from "@slowboat/kernel";

/** The question in one text, or why its answer is no answer to another question. */
export type Standalone = { readonly text: string } | { readonly skip: string };

/** Longer questions are not compared: what matters in them hardly shows in one vector. */
const CHARS_MAX = 4_000;

type Members = Readonly<Record<string, unknown>>;
interface Turn {
  readonly role: string;
  readonly text: string;
}

/** Leans on what was said before: a pronoun or an ellipsis where the subject should be. */
const ANAPHORA = [
  /^(?:and|but|so|also|then|or)\b/,
  /^(?:what|how) about\b/,
  /^(?:why|why not|how so|how come|really|since when|and then|go on|continue|more|again|which one|who else|what else|where else|anything else|tell me more|say more|another one|one more)\s*[?.!]*$/,
  /\b(?:the (?:above|former|latter|previous|last|second|first|other) (?:one|answer|point|example|option|item|part|paragraph|version|question)|as (?:above|before|you said|mentioned)|you (?:just )?(?:said|mentioned|wrote|suggested)|your (?:last|previous|first) (?:answer|reply|message|suggestion)|same (?:thing|question) (?:for|but|again))\b/,
  /^(?:can|could|would|will|please|now)?\s*(?:you\s+)?(?:please\s+)?(?:make|rewrite|rephrase|translate|summari[sz]e|shorten|expand|explain|fix|repeat|continue|redo|say|do|put|change|convert|simplify|elaborate on|expand on) (?:it|this|that|these|those|them)\b/,
  /^(?:is|was|are|were|does|did|do|can|could|will|would|has|have|had|should) (?:he|she|it|they|this|that|these|those)\b(?! (?:possible|true that|safe to|ok to|okay to|legal to|necessary to|normal to|(?:take|cost|matter|mean|help|make sense)\b(?: \w+){0,2} (?:to|that|if|when|for)\b))/,
  /^(?:who|what|when|where|why|how|which)(?:'s| is| was| are| were| did| does| do| has| had| can| could| will| would| old is| many| much| long| far| tall)* (?:he|she|it|they|him|her|them|his|its|their|this|that|those|these)\b(?! (?:possible|rain|snow|(?:take|takes|cost|costs|matter|mean|help|make sense)\b(?: \w+){0,2} (?:to|that|if|when|for)\b))/,
  /^(?:who|which \w+) \w+ (?:it|them|him|her)\b/,
  /\b(?:his|her|their|its) (?:\w+ )?(?:age|name|wife|husband|birthday|capital|population|height|author|director|job|born|price|cost|size)\b/,
];
const PRONOUN = /\b(?:he|she|they|him|them|his|hers|theirs)\b/i;

/** Asks about the one who asks, or about the state of their things. */
const PERSONAL =
  /\b(?:my|our) (?:\w+ ){0,2}(?:balance|balances|account number|order|orders|invoice|invoices|transactions?|statement|password|pin|salary|paycheck|diagnosis|prescription|test results?|flight|booking|reservation|appointment|subscription|ticket|delivery|package|refund|claim|bill|bills|score|grade|location|address|schedule|calendar|meetings?|reminders?|messages?|emails?|inbox|to-?do list|shopping list)\b|\b(?:who am i|what(?:'s| is) my name|where am i|how old am i|do i have|did i|have i|am i)\b/i;

/** Answers that are wrong by tomorrow, or by the next minute. */
const VOLATILE =
  /\b(?:what time is it|what(?:'s| is) the time|right now|at the moment|today|tonight|tomorrow|yesterday|this (?:week|month|morning|afternoon|evening|weekend|hour)|breaking|latest (?:news|price|score|version)|current(?:ly)? (?:price|weather|score|president|time|temperature|status|rate)|weather (?:in|for|like|forecast)|stock price|exchange rate|share price|live score|news)\b/i;

/** Wants something done in the world, which an old answer does not do. */
const ACTION =
  /^(?:(?:please|can you|could you|would you|will you|i want you to|i need you to|i(?:'d| would) like you to|go ahead and|kindly)\s+)*(?:cancel|book|order|buy|pay|transfer|send|email|e-mail|call|text|delete|remove|activate|deactivate|block|unblock|freeze|reset|schedule|reschedule|reserve|refund|subscribe|unsubscribe|turn (?:on|off)|set (?:a|an|the|my) (?:\w+ )?(?:alarm|timer|reminder)|remind me|play|pause|post|publish|deploy|restart|shut down|submit|sign me up|add .+ to my|roll (?:a|the) (?:dice|die)|flip a coin|pick a (?:random )?number|generate a (?:random|new|unique)|tell me (?:a|another) joke)\b/i;

/**
 * The text by which a question is compared with others. One user turn is that turn. A longer conversation, and a system prompt, are not a question that stands
 * alone: they belong to the namespace by their digest (`contextDigest`), and only a last turn that can be understood by itself is compared. What leans on what was said
 * before, asks about the asker, ages within a day, wants something done, carries pictures or files, or may call tools is skipped, with the reason.
 */
export function standaloneText(endpoint: Endpoint, body: Members): Standalone {
  if (endpoint === "/v1/embeddings" || endpoint === "/v1/classifications") return { skip: "answers of this endpoint are exact" };
  if (offersTools(body)) return { skip: "the request may call tools" };
  if (Number(body["n"] ?? 1) > 1) return { skip: "more than one answer is asked for" };
  const turns = turnsOf(endpoint, body);
  if (turns === null) return { skip: "the question is not text alone" };
  const last = turns.at(-1);
  if (last === undefined || last.role !== "user") return { skip: "the last turn is not the user's" };
  const text = last.text.trim();
  if (text === "") return { skip: "the question is empty" };
  if (text.length > CHARS_MAX) return { skip: `the question is longer than ${CHARS_MAX} characters` };
  const conversed = turns.some(({ role }) => role === "assistant");
  const why = whyNot(text, conversed);
  return why === null ? { text } : { skip: why };
}

/** What else the answer depends on: system prompt and earlier turns, as one digest that belongs to the namespace; `null` when there is nothing else. */
export function contextDigest(endpoint: Endpoint, body: Members): string | null {
  const turns = turnsOf(endpoint, body) ?? [];
  const before = turns.slice(0, -1).map(({ role, text }) => [role, text]);
  return before.length === 0 ? null : hexOf(sha256(JSON.stringify(before)));
}

function whyNot(text: string, conversed: boolean): string | null {
  const lower = text
    .toLowerCase()
    .replace(/[’‘]/g, "'")
    .replace(/^(?:ok(?:ay)?|yes|no|thanks|thank you|great|hmm|well|hi|hello|hey)[,.! ]+/, "");
  if (ANAPHORA.some((pattern) => pattern.test(lower))) return "the question leans on what was said before";
  if (conversed && (PRONOUN.test(lower) || /\b(?:it|this|that|these|those|there|one)\b/.test(lower) || lower.split(/\s+/).length < 4))
    return "the question leans on what was said before";
  if (PERSONAL.test(lower)) return "the question is about the asker";
  if (VOLATILE.test(lower)) return "the answer ages within a day";
  if (ACTION.test(lower)) return "the request wants something done";
  return null;
}

function offersTools(body: Members): boolean {
  const given = (value: unknown): boolean => value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0);
  return ["tools", "functions", "web_search_options", "mcp_servers", "previous_response_id", "conversation", "container"].some((key) =>
    given(body[key]),
  );
}

function turnsOf(endpoint: Endpoint, body: Members): Turn[] | null {
  const turns: Turn[] = [];
  const add = (role: string, content: unknown): boolean => {
    const text = textOf(content);
    if (text !== null) turns.push({ role, text });
    return text !== null;
  };
  const system = endpoint === "/v1/messages" ? body["system"] : endpoint === "/v1/responses" ? body["instructions"] : undefined;
  if (system !== undefined && system !== null && !add("system", system)) return null;
  const list = endpoint === "/v1/responses" ? body["input"] : body["messages"];
  if (typeof list === "string" && endpoint === "/v1/responses") return add("user", list) ? turns : null;
  if (!Array.isArray(list)) return null;
  for (const item of list as unknown[]) {
    if (typeof item !== "object" || item === null) return null;
    const { role, content, type } = item as Members;
    if (typeof role !== "string" || (type !== undefined && type !== "message") || (item as Members)["tool_calls"] !== undefined) return null;
    if (!add(role, content)) return null;
  }
  return turns;
}

/** The text of a content, whose parts must all be text. */
function textOf(content: unknown): string | null {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return null;
  const parts: string[] = [];
  for (const part of content as unknown[]) {
    const text = typeof part === "object" && part !== null ? (part as Members)["text"] : undefined;
    if (typeof text !== "string") return null;
    parts.push(text);
  }
  return parts.join("\n");
}
