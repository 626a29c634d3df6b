import * as fixture from "./fixtures.ts";

/** What of a request decides which recorded answer it gets. */
export interface Question {
  readonly model: string;
  readonly stream?: boolean;
  readonly temperature?: number;
  readonly service_tier?: string;
}

/** A recorded answer to it. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  /** The answer as events where a stream was asked for. */
  readonly events: readonly string[] | null;
  /** `null`: not charged. */
  readonly nanoUsd: string | null;
}

/** One line of the bill, as far as an audit compares it. */
export interface Line {
  readonly clientRequestId: string | null;
  readonly customId: string | null;
  readonly batchId: string | null;
  readonly nanoUsd: string;
}

/** What was served, and what it is charged. */
export interface Bill {
  charge(line: Line): void;
  invoice(): { readonly totalNanoUsd: string; readonly lines: readonly Line[] };
}

export function createBill(): Bill {
  const lines: Line[] = [];
  return {
    charge: (line) => void lines.push(line),
    invoice: () => ({ totalNanoUsd: lines.reduce((sum, line) => sum + BigInt(line.nanoUsd), 0n).toString(), lines }),
  };
}

/**
 * The recorded answer of an endpoint to a question: at once, at once with the flex tier at hand for who asks for it, or as a line of a batch. Throws for a
 * model that was not recorded.
 */
export function recordedAnswer(path: string, question: Question, how: "call" | "flex" | "batch"): Answer {
  const isMessage = path === "/v1/messages";
  if (question.temperature === 7)
    return { status: 400, body: isMessage ? fixture.OUT_OF_RANGE.anthropic : fixture.OUT_OF_RANGE.openai, events: null, nanoUsd: null };
  const table = isMessage ? fixture.MESSAGE_CHARGES : path === "/v1/embeddings" ? fixture.EMBEDDING_CHARGES : fixture.CHAT_CHARGES;
  const charges = table[question.model];
  if (charges === undefined) throw new Error(`no answer of ${question.model} to ${path} was recorded`);
  const { snapshot } = charges;
  const isFlex = how === "flex" && question.service_tier === "flex" && charges.flex !== undefined;
  const nanoUsd = how === "batch" ? charges.batch : isFlex ? (charges.flex ?? charges.standard) : charges.standard;
  const tier = isFlex ? "flex" : "default";
  const streams = question.stream === true;
  if (isMessage)
    return {
      status: 200,
      body: fixture.message(snapshot, how === "batch" ? "batch" : "standard"),
      events: streams ? fixture.messageEvents(snapshot) : null,
      nanoUsd,
    };
  if (path === "/v1/embeddings") return { status: 200, body: fixture.embedding(snapshot), events: null, nanoUsd };
  if (path === "/v1/responses")
    return { status: 200, body: fixture.response(snapshot, tier), events: streams ? fixture.responseEvents(snapshot, tier) : null, nanoUsd };
  return { status: 200, body: fixture.chat(snapshot, tier), events: streams ? fixture.chatEvents(snapshot, tier) : null, nanoUsd };
}
