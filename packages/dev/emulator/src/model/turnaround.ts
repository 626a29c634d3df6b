import type { Rng } from "@slowboat/kernel";
import { logNormal } from "./dice.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
/** A batch has this long. */
export const WINDOW_MS = 24 * 60 * MINUTE;

/** What was drawn for one batch when it was made; job milliseconds from its creation. */
export interface Plan {
  readonly validateMs: number;
  /** When the results are there, or null: it hangs until it expires. */
  readonly finishMs: number | null;
  readonly finalizeMs: number;
  /** The share of lines that a hanging batch has done when it expires. */
  readonly doneShare: number;
  /** How long a cancellation takes. */
  readonly cancelLagMs: number;
}

/** How the provider is doing. */
export interface Regime {
  /** In an incident batches take hours and three of ten never finish. */
  readonly incident: boolean;
  /** Factor on the turnaround of batches. */
  readonly multiplier: number;
}

export const CALM: Regime = { incident: false, multiplier: 1 };

/** "prior": drawn from published evidence; "instant": no waiting, for load tests. */
export type Latency = "prior" | "instant";

/**
 * The turnaround of one batch. Prior: .91·LN(6.1 min, 1.2) + .08·LN(240 min, 1.0) + .01 never; a median that grows by 15 % with
 * each tenfold of lines; in an incident LN(8 h, .8) and 30 % never. Fits a published median of 7 min and 90 % within the hour.
 */
export function drawPlan(rng: Rng, lines: number, regime: Regime, latency: Latency, fixedMs: number | null): Plan {
  if (fixedMs !== null || latency === "instant") {
    const finishMs = fixedMs ?? SECOND;
    return {
      validateMs: Math.floor(Math.min(15 * MINUTE, finishMs * 0.2)),
      finishMs,
      finalizeMs: Math.floor(Math.min(MINUTE, finishMs * 0.05)),
      doneShare: Math.min(0.9, WINDOW_MS / Math.max(1, finishMs)),
      cancelLagMs: latency === "instant" ? 0 : Math.floor(Math.min(10 * MINUTE, finishMs * 0.2)),
    };
  }
  const size = (1 + 0.15 * Math.log10(Math.max(1, lines))) * regime.multiplier;
  const which = rng.float();
  const never = regime.incident ? 0.3 : 0.01;
  const [median, sigma] = regime.incident ? [480 * MINUTE, 0.8] : which < never + 0.08 ? [240 * MINUTE, 1] : [6.1 * MINUTE, 1.2];
  const drawn = logNormal(rng, median * size, sigma);
  const doneShare = rng.float() * (regime.incident ? 0.5 : 0.3);
  const hangs = which < never || drawn >= WINDOW_MS;
  const validate = Math.min(15 * MINUTE, Math.max(SECOND, logNormal(rng, 20 * SECOND, 0.8)));
  const finalize = Math.max(2 * SECOND, logNormal(rng, 4 * SECOND, 0.5));
  return {
    validateMs: Math.floor(Math.min(validate, drawn * 0.3)),
    finishMs: hangs ? null : Math.ceil(drawn),
    finalizeMs: Math.floor(Math.min(finalize, drawn * 0.05)),
    doneShare: which < never ? doneShare : Math.min(1, WINDOW_MS / drawn) * 0.9,
    cancelLagMs: Math.floor(Math.min(10 * MINUTE, logNormal(rng, 60 * SECOND, 0.7))),
  };
}

/** What a synchronous answer takes, in job milliseconds: until its first byte and in all. */
export interface Wait {
  readonly firstMs: number;
  readonly totalMs: number;
}

/** Real time LN(6 s, .5) + output / (60 tokens/s); flex LN(40 s, .8); embeddings LN(0.4 s, .4). The first byte comes at a quarter of the fixed part. */
export function drawWait(rng: Rng, kind: "text" | "flex" | "embedding", outputTokens: number, latency: Latency): Wait {
  if (latency === "instant") return { firstMs: 0, totalMs: 0 };
  if (kind === "embedding") {
    const ms = Math.floor(logNormal(rng, 400, 0.4));
    return { firstMs: ms, totalMs: ms };
  }
  const fixed = kind === "flex" ? logNormal(rng, 40 * SECOND, 0.8) : logNormal(rng, 6 * SECOND, 0.5);
  return { firstMs: Math.floor(fixed / 4), totalMs: Math.floor(fixed + (outputTokens / 60) * SECOND) };
}
