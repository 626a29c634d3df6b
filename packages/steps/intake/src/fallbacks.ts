import type { Endpoint, Fallback, ModelRule } from "@slowboat/contract";
import { fault } from "@slowboat/kernel";
import { type PriceBook, resolveModel } from "@slowboat/pricing";
import { canTranslate, fallbackTarget, translateRequest } from "@slowboat/translate";
import { type Needs, needsOf, ruledOut, unfit } from "./eligible.ts";
import { unknownModel } from "./models.ts";

/** Which models a caller lets answer in the asked one's place. */
export interface FallbackWish {
  /** What the request itself names; `null` where it names nothing and the tenant's own list holds. */
  readonly names: readonly string[] | null;
  /** Where it names them. */
  readonly param: string;
  /** The tenant's own list. */
  readonly defaults: readonly string[] | null;
  /** Which models the tenant lets be asked in another's place; `null` for all. */
  readonly rule: ModelRule | null;
}

/** Endpoints whose answers are words. Vectors and classes of different models do not compare, so nothing may stand in for them. */
const WORDS: readonly Endpoint[] = ["/v1/chat/completions", "/v1/messages", "/v1/responses"];

/** A reason is kept with the job, and may quote the caller's own field names. */
const REASON_CHARS = 200;
const NOTES_MAX = 20;

interface Asked {
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly value: Readonly<Record<string, unknown>>;
  /** Raw JSON text of the request, as the provider will see it. */
  readonly text: string;
  /** The caller's `anthropic-beta`, which may change what the body means. */
  readonly beta?: string | undefined;
}

/**
 * Judges, while the body is at hand, which models may stand in: each is asked where it lives, and what the request says that cannot be
 * said there, or holds that the model cannot, is kept with it, so that the planner can rule it out by name. A name that the request itself gives
 * and that nobody knows, that its tenant rules out, or that could never answer it, is a fault; one of the tenant's own list is ruled out.
 */
export function judgeFallbacks(book: PriceBook, asked: Asked, wish: FallbackWish & { readonly allowUnpriced: boolean }): readonly Fallback[] {
  // A name on the tenant's list that the book has lost since is no fault of this request.
  const own = wish.names ?? (wish.defaults ?? []).filter((name) => resolveModel(book, name) !== null);
  const names = own.filter((name) => name !== asked.model);
  if (names.length === 0) return [];
  if (!WORDS.includes(asked.endpoint)) {
    if (wish.names === null) return [];
    throw fault("invalid-request", {
      param: wish.param,
      message: `No model can stand in for another at ${asked.endpoint}: their answers do not compare.`,
    });
  }
  const needs = needsOf(asked);
  return names.map((name) => {
    const one = judged(book, asked, name, wish);
    if (one.refused !== undefined) return one;
    const refused = refusal(book, wish, name, needs);
    return refused === null ? one : { ...one, refused };
  });
}

/** Why a model that could be asked must not be; a fault where the request itself names one that its tenant rules out. */
function refusal(book: PriceBook, wish: FallbackWish, name: string, needs: Needs): string | null {
  const ruled = ruledOut(book, wish.rule, name);
  if (ruled !== null && wish.names !== null)
    throw fault("invalid-request", {
      param: wish.param,
      message: `The model '${name}' cannot stand in here: ${ruled}. Name another, or have it allowed: npx slowboat tenants set.`,
    });
  return ruled ?? unfit(resolveModel(book, name)?.limits, needs);
}

function judged(book: PriceBook, asked: Asked, name: string, wish: FallbackWish & { readonly allowUnpriced: boolean }): Fallback {
  const { endpoint } = asked;
  const known = resolveModel(book, name);
  if (known === null) {
    if (!wish.allowUnpriced || !/^[\x21-\x7e]{1,200}$/.test(name)) throw unknownModel(book, name.slice(0, 200), wish.param);
    return { model: name, provider: endpoint === "/v1/messages" ? "anthropic" : "openai", endpoint };
  }
  const { provider } = known;
  if (known.endpoints.includes(endpoint)) return { model: name, provider, endpoint };
  const other = known.endpoints.find((one) => canTranslate(endpoint, one));
  if (other === undefined) {
    const refused = `endpoint: ${endpoint} has no counterpart at ${known.endpoints.join(", ")}`;
    if (wish.names === null) return { model: name, provider, endpoint, refused };
    throw fault("invalid-request", { param: wish.param, message: `The model '${name}' cannot stand in here: ${refused}.` });
  }
  if (asked.beta !== undefined)
    return { model: name, provider, endpoint: other, refused: "anthropic-beta: asks for what the other API does not have" };
  const said = translateRequest(endpoint, other, asked.text, fallbackTarget(known.candidates[0]?.model ?? name));
  if (said.kind === "untranslatable") return { model: name, provider, endpoint: other, refused: `${said.field}: ${said.why}`.slice(0, REASON_CHARS) };
  const notes = said.notes.slice(0, NOTES_MAX).map((note) => note.slice(0, REASON_CHARS));
  return { model: name, provider, endpoint: other, ...(notes.length === 0 ? {} : { notes }) };
}

/** A tenant's own list, each name known to the book; a fault that names the nearest for one that is not. */
export function knownFallbacks(book: PriceBook, names: readonly string[], param: string): readonly string[] {
  for (const name of names) if (resolveModel(book, name) === null) throw unknownModel(book, name.slice(0, 200), param);
  return names;
}
