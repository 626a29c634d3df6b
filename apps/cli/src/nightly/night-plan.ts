import type { Readme } from "./readmes.ts";

/** Characters of a document that go into a prompt; its beginning says what it is. */
export const PROMPT_CHARS = 6000;

/** The sentence encoder reads 128 tokens and cuts the rest: more need not travel. */
const POOL_CHARS = 2000;

export const SUMMARY_TOKENS = 400;
const SUMMARY_TASK =
  "You write the catalogue of a software archive. Summarise the README below in two plain sentences: what the package does, and when one would reach for it. No markdown, no praise.";

/** Each topic as a sentence, since the encoder compares sentences. */
export const TOPICS: Readonly<Record<string, string>> = {
  "database driver": "This package connects to a database and runs SQL queries.",
  "web framework": "This package is a web framework for HTTP servers, routes and middleware.",
  testing: "This package runs unit tests, assertions and coverage.",
  "build tool": "This package bundles, compiles and minifies source code.",
  parser: "This package parses source code or markup into a syntax tree.",
  "type definitions": "This package contains TypeScript type definitions.",
  "machine learning": "This package runs machine learning models and computes embeddings.",
  "API client": "This package is a client library for a remote web API.",
  logging: "This package writes logs and traces.",
  "command line": "This package builds command line programs and parses their arguments.",
  "text and strings": "This package formats, escapes and measures text and strings.",
  "files and paths": "This package walks directories and matches files and paths.",
  "queues and concurrency": "This package runs background jobs, queues and asynchronous tasks.",
  security: "This package does cryptography, hashing and signing.",
  "user interface": "This package renders user interfaces in the browser.",
  "native binary": "This is the prebuilt binary of another package for one platform.",
};

/** One line of an OpenAI-style batch file. */
export interface BatchLine {
  readonly custom_id: string;
  readonly method: "POST";
  readonly url: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** One request of an Anthropic message batch. */
export interface MessageRequest {
  readonly custom_id: string;
  readonly params: {
    readonly model: string;
    readonly max_tokens: number;
    readonly system: string;
    readonly messages: { readonly role: "user"; readonly content: string }[];
  };
}

/** What a night asks for. `custom_id` is the document's place in `docs`, since an id may be longer than providers allow. */
export interface NightPlan {
  readonly docs: readonly Readme[];
  readonly embeddings: readonly BatchLine[];
  readonly topics: readonly BatchLine[];
  readonly chat: readonly BatchLine[];
  readonly messages: readonly MessageRequest[];
}

/** Which providers may summarise; with both, every other document goes to each. */
export interface Summarisers {
  readonly openai: boolean;
  readonly anthropic: boolean;
}

/** Plans the night over the documents: vectors and topics by the pool, summaries by the providers. */
export function planNight(docs: readonly Readme[], by: Summarisers): NightPlan {
  const line = (index: number, url: string, body: BatchLine["body"]): BatchLine => ({ custom_id: `doc-${index}`, method: "POST", url, body });
  const toOpenai = (index: number): boolean => by.openai && (!by.anthropic || index % 2 === 0);
  return {
    docs,
    embeddings: docs.map((doc, i) => line(i, "/v1/embeddings", { model: "slowboat-embed", input: doc.text.slice(0, POOL_CHARS) })),
    topics: docs.map((doc, i) =>
      line(i, "/v1/classifications", { model: "slowboat-classify", input: doc.text.slice(0, POOL_CHARS), labels: Object.values(TOPICS) }),
    ),
    chat: docs.flatMap((doc, i) =>
      toOpenai(i)
        ? [
            line(i, "/v1/chat/completions", {
              model: "gpt-5-mini",
              max_completion_tokens: SUMMARY_TOKENS,
              reasoning_effort: "minimal",
              messages: [
                { role: "system", content: SUMMARY_TASK },
                { role: "user", content: doc.text },
              ],
            }),
          ]
        : [],
    ),
    messages: docs.flatMap((doc, i) =>
      by.anthropic && !toOpenai(i)
        ? [
            {
              custom_id: `doc-${i}`,
              params: {
                model: "claude-haiku-4-5",
                max_tokens: SUMMARY_TOKENS,
                system: SUMMARY_TASK,
                messages: [{ role: "user" as const, content: doc.text }],
              },
            },
          ]
        : [],
    ),
  };
}

/** The document that a `custom_id` of the plan stands for; `null` for any other text. */
export function docOf(plan: NightPlan, customId: string): Readme | null {
  const match = /^doc-(\d+)$/.exec(customId);
  return match ? (plan.docs[Number(match[1])] ?? null) : null;
}

/** The short name of a topic's sentence. */
export const topicName = (sentence: string): string => Object.keys(TOPICS).find((name) => TOPICS[name] === sentence) ?? sentence;

/** Lines as JSONL. */
export const jsonl = (lines: readonly unknown[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join("");
