import type { Endpoint } from "@slowboat/contract";
import type { Rng } from "@slowboat/kernel";

/** Endpoints at which a model is asked for its word, the preferred first. */
const JUDGE_ENDPOINTS: readonly Endpoint[] = ["/v1/chat/completions", "/v1/messages", "/v1/responses"];

/** What a judge is told and shown. */
interface ToJudge {
  readonly endpoint: Endpoint;
  readonly model: string;
  /** Who it is and what it is to say: ours, outside of the fences. */
  readonly instructions: string;
  /** Texts of others, each in a fence under its name. */
  readonly material: readonly (readonly [name: string, text: string])[];
  /** Said once more after the last fence. */
  readonly reminder?: string;
  /** Room for a model that thinks before it says its word. */
  readonly outputTokens: number;
}

/** Where a model that is served at these endpoints is asked; `undefined` for one that has no words. */
export const judgeEndpoint = (served: readonly Endpoint[] | undefined): Endpoint | undefined => JUDGE_ENDPOINTS.find((one) => served?.includes(one));

/** The body of a request to a judge. What is judged stands between marks that none of it can have foreseen, so that no text can close its own fence. */
export function judgeBody({ endpoint, model, instructions, material, reminder, outputTokens }: ToJudge, rng: Rng): string {
  const mark = markFor(
    material.map(([, text]) => text),
    rng,
  );
  const fenced = material.map(([name, text]) => `=== ${name} ${mark} ===\n${text}\n=== END OF ${name} ${mark} ===`);
  const content = [...fenced, ...(reminder === undefined ? [] : [reminder])].join("\n\n");
  return JSON.stringify(bodyOf(endpoint, { model, instructions, content, outputTokens }));
}

function bodyOf(
  endpoint: Endpoint,
  { model, instructions, content, outputTokens }: Pick<ToJudge, "model" | "instructions" | "outputTokens"> & { readonly content: string },
): Record<string, unknown> {
  if (endpoint === "/v1/messages") return { model, max_tokens: outputTokens, system: instructions, messages: [{ role: "user", content }] };
  if (endpoint === "/v1/responses") return { model, max_output_tokens: outputTokens, instructions, input: content };
  const messages = [
    { role: "system", content: instructions },
    { role: "user", content },
  ];
  return { model, max_completion_tokens: outputTokens, messages };
}

/** A mark that stands in none of the texts, drawn so that none of them can have foreseen it. */
function markFor(texts: readonly string[], rng: Rng): string {
  for (;;) {
    const mark = rng.u32().toString(16).padStart(8, "0") + rng.u32().toString(16).padStart(8, "0");
    if (!texts.some((text) => text.includes(mark))) return mark;
  }
}
