import { aliasOf, type Endpoint, type Fallback, type JobRoute, type ModelRule } from "@slowboat/contract";
import { fault, memberSpans, type Rng, replaceSpans } from "@slowboat/kernel";
import type { PriceBook } from "@slowboat/pricing";
import { shouldExplore } from "@slowboat/risk";
import { askOf, figuresOf, type Policy, route, type Seen, seenOf } from "@slowboat/route";
import type { RouteBook, StoredRoute } from "@slowboat/store";
import { ruledOut } from "./eligible.ts";
import { judgeFallbacks } from "./fallbacks.ts";

/** How often what would go to a cheaper model goes to the baseline all the same, so that its saving can be estimated. Never the other way. */
const EXPLORE = 0.03;
/** A schema longer than this is not kept with the job; its answer is held to being JSON alone. */
const SCHEMA_CHARS = 8_192;
const NUMBERS_MAX = 64;

/** A request as it is asked of a model by name: the alias is gone from it. */
export interface RoutedRequest {
  readonly value: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** `null` for a pinned model, which is never touched. */
  readonly route: JobRoute | null;
  /** The model that goes before the baseline; `null` for none. */
  readonly first: Fallback | null;
}

interface Asked {
  readonly endpoint: Endpoint;
  readonly value: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly beta?: string | undefined;
}

/** What routing rests on, beside the request. */
export interface RouteTerms {
  readonly book: PriceBook;
  /** The caller's aliases. */
  readonly routes: RouteBook;
  readonly rng: Rng;
  /** Which models the tenant lets be asked where another was named; `null` for all. */
  readonly rule: ModelRule | null;
  readonly allowUnpriced: boolean;
  /** True where an answer can be judged before it is given, and asked for again. */
  readonly mayJudge: boolean;
  /** Where the model is named, for a fault. */
  readonly param: string;
  /** The caller's own name for the job or template; else it is told from the request. */
  readonly jobKey?: string | undefined;
}

/** True where a request asks for an alias, so that its tenant's aliases have to be at hand. */
export const asksAlias = (value: Readonly<Record<string, unknown>>): boolean => aliasOf(value["model"]) !== null;

/**
 * Puts a model in the place of an alias: the declared baseline, and before it the one that the policy chose, if any. Whatever the policy cannot
 * judge (no words to go by, more than text, a request that a candidate could not be asked) goes to the baseline.
 */
export function routeRequest(terms: RouteTerms, asked: Asked): RoutedRequest {
  const alias = aliasOf(asked.value["model"]);
  if (alias === null) return { value: asked.value, text: asked.text, route: null, first: null };
  const stored = terms.routes.get(alias);
  if (stored === undefined)
    throw fault("unknown-model", {
      param: terms.param,
      message: `There is no alias '${alias.slice(0, 64)}'. Set it with PUT /v1/routes/${alias.slice(0, 64)} or: npx slowboat routes set ${alias.slice(0, 64)} --candidates a,b --baseline b`,
    });
  const { baseline } = stored;
  const ruled = ruledOut(terms.book, terms.rule, baseline);
  if (ruled !== null)
    throw fault("invalid-request", {
      param: terms.param,
      message: `The alias '${alias}' rests on '${baseline}', which cannot be asked (${ruled}): set another baseline with PUT /v1/routes/${alias}, or name a model.`,
    });
  const value = { ...asked.value, model: baseline };
  const span = memberSpans(asked.text).get("model");
  const text = span === undefined ? asked.text : replaceSpans(asked.text, [{ span, with: JSON.stringify(baseline) }]);
  const judged = judgeFallbacks(
    terms.book,
    { endpoint: asked.endpoint, model: baseline, value, text, beta: asked.beta },
    { names: null, param: terms.param, defaults: stored.candidates, rule: terms.rule, allowUnpriced: terms.allowUnpriced },
  );
  const others = judged.filter(({ refused }) => refused === undefined);
  const leftOut = judged.flatMap(({ model, refused }) => (refused === undefined ? [] : [`${model}: ${refused}`]));
  const seen = seenOf(value);
  const decided = { ...decideRoute(terms, stored, others, seen), ...shadowOf(terms, stored, { asked, seen, eligible: others.length + 1 }) };
  const first = decided.first === null ? null : (others.find(({ model }) => model === decided.first) ?? null);
  return {
    value,
    text,
    route: { ...decided, ...(leftOut.length === 0 ? {} : { leftOut }), ...(terms.mayJudge ? promptOf(decided, seen) : {}) },
    first,
  };
}

function decideRoute({ rng, mayJudge, jobKey }: RouteTerms, stored: StoredRoute, others: readonly Fallback[], seen: Seen | null): JobRoute {
  const { alias, baseline, policy, policyVersion: version } = stored;
  const limits = { lambda: policy?.guard.lambda ?? null, threshold: finite(policy?.accept.threshold) };
  const stay = (why: string): JobRoute => ({
    ...{ alias, version, baseline, first: null, mode: "baseline", why, reasons: [] },
    ...{ expectedLoss: 0, quality: 0, propensity: 1, explored: false },
    ...limits,
  });
  if (policy === null) return stay("nothing has been learned for this alias yet");
  if (seen === null || !seen.plain) return stay(seen === null ? "the request asks nothing in words" : "the request holds more than text");
  const ask = askOf(seen.ask, jobKey ?? seen.job);
  const routing = route(policy, ask, eligible(policy, others), mayJudge);
  const { model, mode, why, reasons, expectedLoss, quality } = routing;
  if (model === 0) return { ...stay(why), reasons, quality };
  const decided = { ...stay(why), mode, reasons, expectedLoss, quality };
  if (shouldExplore(rng, EXPLORE))
    return { ...decided, mode: "baseline", propensity: EXPLORE, explored: true, why: `drawn to measure the baseline; else ${policy.models[model]}` };
  return { ...decided, first: policy.models[model] ?? null, propensity: 1 - EXPLORE };
}

/**
 * Throws the dice on whether the answer is compared with the other candidates'. Only words can be compared, and only what every candidate can be asked:
 * an answer that calls a tool is half of one, and a beta header cannot be asked again later.
 */
function shadowOf(
  { rng, mayJudge, jobKey }: RouteTerms,
  { shadow, candidates }: StoredRoute,
  { asked, seen, eligible }: { readonly asked: Asked; readonly seen: Seen | null; readonly eligible: number },
): Pick<JobRoute, "shadow"> {
  if (shadow === 0 || candidates.length < 2 || eligible < candidates.length || seen === null || !seen.plain) return {};
  if (asked.beta !== undefined || STATEFUL.some((name) => asked.value[name] != null)) return {};
  const { tools, n = 1 } = asked.value;
  if ((Array.isArray(tools) && tools.length > 0) || n !== 1) return {};
  return { shadow: { drawn: shouldExplore(rng, shadow), chance: shadow, job: jobKey ?? seen.job, judged: mayJudge } };
}

/** Members that make an answer lean on what a provider keeps, or on the world. */
const STATEFUL = ["previous_response_id", "conversation", "container", "functions", "web_search_options"] as const;

const finite = (value: number | undefined): number | null => (value !== undefined && Number.isFinite(value) ? value : null);

/** Places of the policy's models that this request can be put to; the baseline always. */
const eligible = ({ models }: Policy, others: readonly Fallback[]): number[] =>
  models.flatMap((name, m) => (m === 0 || others.some(({ model }) => model === name) ? [m] : []));

/** What judging the answer will need; nothing of it is kept longer than the request itself. */
function promptOf({ first }: JobRoute, seen: Seen | null): Pick<JobRoute, "prompt"> {
  if (first === null || seen === null) return {};
  const { chars, numbers } = figuresOf(seen.ask);
  const short = seen.schema !== null && JSON.stringify(seen.schema).length <= SCHEMA_CHARS;
  return { prompt: { chars, numbers: [...numbers].slice(0, NUMBERS_MAX), wantsJson: seen.wantsJson, schema: short ? seen.schema : null } };
}
