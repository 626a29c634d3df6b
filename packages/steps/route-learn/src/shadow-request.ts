import type { Endpoint } from "@slowboat/contract";
import { memberSpans } from "@slowboat/kernel";
import { type PriceBook, resolveModel } from "@slowboat/pricing";
import { canTranslate, fallbackTarget, translateRequest } from "@slowboat/translate";

/** Members that say how an answer is delivered, and that nobody waits for here. */
const DELIVERY = ["stream", "stream_options", "service_tier"];

/** The same request for another model, where it lives; `null` where it cannot be put to it. */
export function shadowRequest(
  book: PriceBook,
  asked: { readonly endpoint: Endpoint; readonly body: string },
  model: string,
): { readonly endpoint: Endpoint; readonly body: string } | null {
  const known = resolveModel(book, model);
  if (known === null) return null;
  const { endpoint } = asked;
  if (known.endpoints.includes(endpoint)) return { endpoint, body: renamed(asked.body, model) };
  const other = known.endpoints.find((one) => canTranslate(endpoint, one));
  if (other === undefined) return null;
  const said = translateRequest(endpoint, other, renamed(asked.body, model), fallbackTarget(known.candidates[0]?.model ?? model));
  return said.kind === "translated" ? { endpoint: other, body: renamed(said.body, model) } : null;
}

/** A request for another model, its other members in their raw text. */
function renamed(text: string, model: string): string {
  const members = [...memberSpans(text)].filter(([name]) => !DELIVERY.includes(name) && name !== "model");
  const kept = members.map(([name, at]) => `${JSON.stringify(name)}:${text.slice(at.start, at.end)}`);
  return `{${[`"model":${JSON.stringify(model)}`, ...kept].join(",")}}`;
}

/** Which of the candidates a provider's model is; `null` for none. */
export const candidateOf = (book: PriceBook, candidates: readonly string[], model: string): string | null =>
  candidates.find((name) => name === model) ??
  candidates.find((name) => resolveModel(book, name)?.candidates.some((one) => one.model === model)) ??
  null;
