import { addNano, type NanoUsd, ZERO } from "@slowboat/kernel";
import { type PriceBook, quote } from "@slowboat/pricing";
import { type NightPlan, SUMMARY_TOKENS } from "./night-plan.ts";

/** What the paid part of a night may cost: every answer at list price, and as planned on the batch lanes. */
export interface NightQuote {
  readonly listNano: NanoUsd;
  readonly expectedNano: NanoUsd;
  readonly requests: number;
  /** The same, by who would be paid. */
  readonly lines: readonly QuoteLine[];
}

interface QuoteLine {
  readonly provider: "openai" | "anthropic";
  readonly model: string;
  readonly requests: number;
  readonly listNano: NanoUsd;
  readonly expectedNano: NanoUsd;
}

/** English text has about four characters a token; three errs on the dear side. */
const CHARS_PER_TOKEN = 3;
const FRAME_TOKENS = 80;

/** Quotes the summaries at the full length they may have. Throws when a model has no price. */
export function quoteNight(book: PriceBook, plan: NightPlan, nowMs: number): NightQuote {
  const lines = new Map<string, QuoteLine>();
  const add = (provider: "openai" | "anthropic", model: string, chars: number): void => {
    const request = {
      candidates: [{ provider, model }],
      inputTokens: Math.ceil(chars / CHARS_PER_TOKEN) + FRAME_TOKENS,
      outputTokens: SUMMARY_TOKENS,
    };
    const list = quote(book, request, provider, nowMs);
    const batch = quote(book, request, `${provider}-batch`, nowMs);
    if (list.unpriced || batch.unpriced) throw new Error(`${model} has no price in the price book`);
    const line = lines.get(model) ?? { provider, model, requests: 0, listNano: ZERO, expectedNano: ZERO };
    lines.set(model, {
      ...line,
      requests: line.requests + 1,
      listNano: addNano(line.listNano, list.nano),
      expectedNano: addNano(line.expectedNano, batch.nano),
    });
  };
  for (const line of plan.chat) add("openai", String(line.body["model"]), JSON.stringify(line.body["messages"]).length);
  for (const { params } of plan.messages) add("anthropic", params.model, JSON.stringify(params.messages).length + params.system.length);
  const all = [...lines.values()];
  return {
    lines: all,
    listNano: addNano(...all.map((line) => line.listNano)),
    expectedNano: addNano(...all.map((line) => line.expectedNano)),
    requests: plan.chat.length + plan.messages.length,
  };
}
