/**
 * What a model takes, by its name. Each rule is the provider's documentation or a refusal seen in the field as of late 2026; a name
 * that no rule knows gets the request without the parameter, since a parameter left out costs less than a fallback that is refused.
 */

const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const;
export type Effort = (typeof EFFORTS)[number];

export const isEffort = (value: unknown): value is Effort => (EFFORTS as readonly unknown[]).includes(value);

/** The first API version that refuses sampling parameters, even at their defaults. */
const NO_SAMPLING_SINCE = "2026-10-21";

interface Claude {
  readonly family: string;
  /** 4.7 is 407. */
  readonly version: number;
}

function claudeOf(model: string): Claude | null {
  const old = /claude-(\d)(?:-(\d))?-(opus|sonnet|haiku)/.exec(model);
  if (old) return { family: old[3] ?? "", version: Number(old[1]) * 100 + Number(old[2] ?? 0) };
  const match = /claude-(opus|sonnet|haiku|fable|mythos)-(\d{1,2}|preview)(?:-(\d{1,2})(?=$|[-@:]))?(?!\d)/.exec(model);
  if (!match) return null;
  return { family: match[1] ?? "", version: match[2] === "preview" ? 500 : Number(match[2]) * 100 + Number(match[3] ?? 0) };
}

const thinksAlways = (claude: Claude): boolean => claude.family === "fable" || claude.family === "mythos";

/** Which sampling parameters a messages request may name: none since API version 2026-10-21 and since Opus 4.7; not both since Opus 4.1. */
export function samplingOfMessages(model: string, apiVersion: string | undefined): "none" | "one" | "both" {
  if (apiVersion === undefined || apiVersion >= NO_SAMPLING_SINCE) return "none";
  const claude = claudeOf(model);
  if (!claude) return "both";
  if (thinksAlways(claude) || claude.version >= 407) return "none";
  return claude.version > 400 ? "one" : "both";
}

/** The values of `output_config.effort`; empty where the model refuses the parameter. */
export function effortsOfMessages(model: string): readonly Effort[] {
  const claude = claudeOf(model);
  if (!claude) return [];
  const { family, version } = claude;
  const since = family === "opus" ? 405 : family === "sonnet" ? 406 : family === "haiku" ? 505 : 0;
  if (version < since) return [];
  const high: Effort[] = family === "haiku" ? [] : version >= 407 ? ["xhigh", "max"] : version >= 406 ? ["max"] : [];
  return ["low", "medium", "high", ...high];
}

/** How a messages request says that nothing shall be thought: by default before version 5, by the parameter since, or not at all. */
export function noThinkingOf(model: string): "default" | "parameter" | "never" {
  const claude = claudeOf(model);
  if (!claude) return "default";
  return thinksAlways(claude) ? "never" : claude.version >= 500 ? "parameter" : "default";
}

interface Gpt {
  /** 5.6 is 506; the o-series is 0. */
  readonly version: number;
  readonly reasons: boolean;
}

function gptOf(model: string): Gpt | null {
  if (/^o\d/.test(model)) return { version: 0, reasons: true };
  const match = /^(?:chat)?gpt-(\d+)(?:\.(\d+))?/.exec(model);
  if (!match) return null;
  const version = Number(match[1]) * 100 + Number(match[2] ?? 0);
  return { version, reasons: version >= 500 && !model.includes("-chat") };
}

/** OpenAI's own models take `max_completion_tokens`; the compatible servers all know `max_tokens`. */
export const maxTokensName = (model: string): string => (gptOf(model) ? "max_completion_tokens" : "max_tokens");

/** Reasoning models refuse every temperature but the default. */
export const chatTakesSampling = (model: string): boolean => gptOf(model)?.reasons !== true;

/** The o-series refuses stop sequences and `parallel_tool_calls`. */
export const isOSeries = (model: string): boolean => /^o\d/.test(model);

/**
 * The values of `reasoning_effort`; empty where the model refuses the parameter. From 5.6 on a chat request with function tools is
 * refused when it names an effort other than `none`.
 */
export function effortsOfChat(model: string, withTools: boolean): readonly Effort[] {
  const gpt = gptOf(model);
  if (!gpt?.reasons) return [];
  if (gpt.version === 0) return ["low", "medium", "high"];
  if (gpt.version === 500) return ["minimal", "low", "medium", "high"];
  if (gpt.version < 502) return ["none", "low", "medium", "high"];
  if (gpt.version < 506) return ["none", "low", "medium", "high", "xhigh"];
  return withTools ? ["none"] : ["none", "low", "medium", "high", "xhigh", "max"];
}

/** The wanted effort, or the next lower one that still thinks, or the next higher one; `null` where `allowed` has nothing near. */
export function nearestEffort(wanted: Effort, allowed: readonly Effort[]): Effort | null {
  if (allowed.includes(wanted)) return wanted;
  const at = EFFORTS.indexOf(wanted);
  const lower = EFFORTS.slice(1, at).findLast((effort) => allowed.includes(effort));
  return lower ?? EFFORTS.slice(at).find((effort) => allowed.includes(effort)) ?? null;
}
