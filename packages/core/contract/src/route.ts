/** How a request for an alias was routed: kept with its job, so that every routing explains itself. Plain JSON. */
export interface JobRoute {
  readonly alias: string;
  /** Version of the policy that decided; 0 before any was learned. */
  readonly version: number;
  readonly baseline: string;
  /** The model that is asked before the baseline, by the name it was declared under; `null` where the baseline answers. */
  readonly first: string | null;
  /** `cascade`: the first answer is judged before it stands. `escalated`: it did not stand. */
  readonly mode: "baseline" | "before" | "cascade" | "escalated";
  readonly why: string;
  readonly reasons: readonly string[];
  /** Candidates that could not be asked this, each `MODEL: field: why`; absent where every one could. */
  readonly leftOut?: readonly string[];
  /** What the baseline's score was expected to be above the first model's. */
  readonly expectedLoss: number;
  /** Probability that the first model is right, as calibrated. */
  readonly quality: number;
  /** The chance with which this model was to be asked, dice included. */
  readonly propensity: number;
  /** True where the dice sent to the baseline what the policy would have sent elsewhere. */
  readonly explored: boolean;
  /** What the policy held quality worth, and what its acceptor had to trust; `null` where that was closed. */
  readonly lambda: number | null;
  readonly threshold: number | null;
  /** What judging the answer needs of the prompt; absent where nothing is judged. */
  readonly prompt?: { readonly chars: number; readonly numbers: readonly number[]; readonly wantsJson: boolean; readonly schema: unknown };
  /** Why the first answer did not stand, or that it did. */
  readonly verdict?: string;
  /** Whether its answer is to be compared with the other candidates'; absent where that cannot be, or is not wanted. */
  readonly shadow?: ShadowDraw;
}

/** How the dice fell on comparing a request's answer. */
export interface ShadowDraw {
  readonly drawn: boolean;
  /** The chance with which it was to be drawn. */
  readonly chance: number;
  /** Key of the job or template that the request belongs to. */
  readonly job: string;
  /** True where a cheap answer is judged before it stands. */
  readonly judged: boolean;
}

/** A stored routing; `null` for a job that was not routed. */
export const storedRoute = (json: string | null | undefined): JobRoute | null => (json == null ? null : (JSON.parse(json) as JobRoute));

/** The alias that a model's name asks for: `auto` is the one called default, `auto:NAME` any other; `null` for a pinned model. */
export function aliasOf(model: unknown): string | null {
  if (model === "auto") return "default";
  return typeof model === "string" && model.startsWith("auto:") ? model.slice(5) : null;
}

/** What an alias may be called. */
export const isAlias = (text: string): boolean => /^[a-z0-9][a-z0-9._-]{0,63}$/.test(text);
