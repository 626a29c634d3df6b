import type { Endpoint } from "@slowboat/contract";
import { type AnswerContext, translateAnswer } from "./answer.ts";
import { translateError } from "./error.ts";
import { isTranslatable } from "./request.ts";

/** A provider's raw answer or refusal, and the endpoint that it speaks. */
export interface RawAnswer {
  readonly statusCode: number;
  readonly body: string;
  /** `null` where it is the one that was asked for. */
  readonly wire: Endpoint | null;
}

/**
 * A raw answer in the shape of the endpoint `asked`: byte for byte where it came from there, else translated, refusals with the status
 * that the asking client knows. An answer that cannot be read is a 502 of that shape; the raw one is kept all the same. Never throws.
 */
export function asAsked(raw: RawAnswer, asked: Endpoint, context: AnswerContext): { readonly statusCode: number; readonly body: string } {
  const { statusCode, body, wire } = raw;
  if (wire === null || wire === asked || !isTranslatable(wire) || !isTranslatable(asked)) return { statusCode, body };
  if (statusCode < 200 || statusCode >= 300) {
    const error = translateError(wire, asked, statusCode, body);
    return { statusCode: error.status, body: error.body };
  }
  const answer = translateAnswer(wire, asked, body, context);
  if (answer.kind === "translated") return { statusCode, body: answer.body };
  const message = `The answer of the model that stood in cannot be read: ${answer.why}.`;
  const said = translateError(wire, asked, 502, JSON.stringify({ error: { message } }));
  return { statusCode: 502, body: said.body };
}
