import type { Rng } from "@slowboat/kernel";
import type { Json } from "./json.ts";
import type { Provider } from "./types.ts";

/** Which requests a scripted fault meets; absent members meet all. A path is compared as a whole, or by its beginning when it ends in `*`. */
export interface FaultMatch {
  readonly provider?: Provider | undefined;
  readonly method?: string | undefined;
  readonly path?: string | undefined;
  readonly model?: string | undefined;
  /** A line of a batch; without it a fault meets HTTP requests only. */
  readonly customId?: string | undefined;
  readonly serviceTier?: string | undefined;
}

export const PRESETS = [
  "rate-limit",
  "insufficient-quota",
  "spend-limit",
  "slow-down",
  "flex-unavailable",
  "overloaded",
  "server-error",
  "html-502",
  "html-503",
  "timeout",
  "unauthorized",
] as const;
export type Preset = (typeof PRESETS)[number];

/** What happens to a request that a fault meets. The members combine: a delay, then an answer, or a drop. */
export interface FaultEffect {
  readonly preset?: Preset | undefined;
  readonly status?: number | undefined;
  /** An object is sent as JSON, a text as it is. */
  readonly body?: Json | string | undefined;
  readonly headers?: Record<string, string> | undefined;
  /** Job milliseconds before anything else happens. */
  readonly delayMs?: number | undefined;
  /** "before": the socket closes and nothing was done; "after-commit": the work is done and charged, the reply never leaves. */
  readonly drop?: "before" | "after-commit" | undefined;
  /** The request is never answered. */
  readonly hang?: boolean | undefined;
  /** The stream ends after so many events, in one of four ways; the request is charged. */
  readonly stream?: { readonly afterEvents: number; readonly end: "eof" | "reset" | "half-line" | "error" } | undefined;
  /** The reply says this tier instead of the asked one, and it is charged so. */
  readonly servedTier?: "default" | "standard" | undefined;
}

export interface FaultRule extends FaultEffect {
  readonly match?: FaultMatch | undefined;
  /** Requests it meets before it is used up. */
  readonly times?: number | undefined;
  /** Matching requests let through first. */
  readonly skip?: number | undefined;
  /** Chance for each matching request; a request let through by chance does not use the rule up. */
  readonly probability?: number | undefined;
}

export interface FaultProbe {
  readonly provider: Provider;
  readonly method: string;
  readonly path: string;
  readonly model: string | null;
  readonly customId: string | null;
  readonly serviceTier: string | null;
}

/** The scripted faults in the order they were added; the first that meets a request is used. */
export interface Faults {
  add(rules: readonly FaultRule[]): void;
  clear(): void;
  list(): readonly FaultRule[];
  take(probe: FaultProbe): FaultEffect | null;
}

export function createFaults(rng: Rng): Faults {
  let rules: { rule: FaultRule; left: number; skip: number }[] = [];
  return {
    add: (added) => void rules.push(...added.map((rule) => ({ rule, left: rule.times ?? 1, skip: rule.skip ?? 0 }))),
    clear: () => {
      rules = [];
    },
    list: () => rules.map(({ rule, left, skip }) => ({ ...rule, times: left, skip })),
    take: (probe) => {
      for (const entry of rules) {
        if (!meets(entry.rule.match ?? {}, probe)) continue;
        if (entry.skip > 0) {
          entry.skip--;
          continue;
        }
        if (entry.rule.probability !== undefined && rng.float() >= entry.rule.probability) continue;
        entry.left--;
        if (entry.left <= 0) rules = rules.filter((other) => other !== entry);
        return entry.rule;
      }
      return null;
    },
  };
}

const meets = (match: FaultMatch, probe: FaultProbe): boolean =>
  (match.provider ?? probe.provider) === probe.provider &&
  (match.method?.toUpperCase() ?? probe.method) === probe.method &&
  (match.path === undefined || probe.path === match.path || (match.path.endsWith("*") && probe.path.startsWith(match.path.slice(0, -1)))) &&
  (match.model ?? probe.model) === probe.model &&
  (match.customId ?? null) === probe.customId &&
  (match.serviceTier ?? probe.serviceTier) === probe.serviceTier;
