import { formatUsd, nano } from "@slowboat/kernel";
import { type Estimate, effectiveSize, shareInterval } from "@slowboat/risk";
import { labelsNeeded, type Policy } from "@slowboat/route";
import type { PairReport, RouteRow } from "@slowboat/store";

/** Whether a cheap answer may stand; a threshold of minus infinity lets every one that passes the checks. */
const judges = ({ acceptor, accept }: Policy): boolean => acceptor !== null && accept.threshold < Number.POSITIVE_INFINITY;

/** What a policy has learned, as the commands print it. */
export const learned = (policy: Policy): Record<string, unknown> => ({
  models: policy.models,
  cost_shares: policy.costs,
  labels: policy.labels,
  allowed_loss: policy.alpha,
  before: { open: policy.guard.lambda !== null, lambda: policy.guard.lambda, seen_loss: policy.guard.risk },
  cascade: {
    open: judges(policy),
    graded_answers: policy.acceptor?.labels ?? 0,
    seen_loss: policy.accept.risk,
  },
});

/** A policy as a few lines of text. */
export function drawPolicy(alias: string, policy: Policy): string {
  const { guard, accept, acceptor, labels, alpha } = policy;
  const needs = labelsNeeded(alpha);
  const closed = `closed: ${labels < needs ? `${needs} labels are needed` : "the allowed loss leaves no room"}; the baseline answers`;
  return [
    `${alias}: ${labels} labels, ${policy.models[0]} is the measure, a loss of ${alpha.toFixed(3)} is allowed`,
    `  by the request alone  ${guard.lambda === null ? closed : `open, seen loss ${guard.risk.toFixed(4)}`}`,
    `  by the answer         ${!judges(policy) ? (acceptor === null ? `closed: ${needs} graded answers are needed` : closed) : `open, seen loss ${accept.risk.toFixed(4)}`}`,
    ...policy.models.map((name, m) => `  ${name.padEnd(32)} costs ${(100 * (policy.costs[m] ?? 0)).toFixed(1)} % of the baseline`),
  ].join("\n");
}

/** What comparing drawn requests has shown of an alias, and what that cost; amounts in nano-USD as text. */
export function measuredOf(row: RouteRow, pairs: PairReport) {
  const weights = pairs.losses.map(({ chance }) => 1 / chance);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = pairs.losses.reduce((sum, { lost }, i) => sum + lost * (weights[i] ?? 0), 0) / Math.max(total, Number.MIN_VALUE);
  const effective = effectiveSize(weights);
  const instant = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
  return {
    shadow: row.shadow,
    judge: row.judge,
    labels: row.labels,
    fresh_labels: row.fresh,
    trained_at: instant(row.trainedAtMs),
    drifted_at: instant(row.driftedAtMs),
    pairs: { open: pairs.open, labelled: pairs.labelled, dropped: pairs.dropped },
    allowed_loss: 1 - row.quality,
    lost: pairs.losses.length === 0 ? null : { mean, ...shareInterval(Math.min(1, mean), effective), pairs: pairs.losses.length, effective },
    shadow_nano: pairs.shadowNano.toString(),
    judge_nano: pairs.judgeNano.toString(),
  };
}

/** An estimate in whole nano-USD with its 95 % interval; `null` where there is too little to say. */
export const interval = ({ mean, low, high, effective }: Estimate) =>
  Number.isFinite(low) ? { mean: Math.round(mean), low: Math.round(low), high: Math.round(high), effective: Math.round(effective) } : null;

/** What `route report` prints as JSON. */
export interface Report {
  readonly alias: string;
  readonly jobs: number;
  readonly shares: readonly { readonly model: string; readonly jobs: number; readonly share: number }[];
  readonly escalated: number;
  readonly saved_nano: string;
  readonly saved_nano_a_job: ReturnType<typeof interval>;
  readonly baseline_cost_nano_by_dice: ReturnType<typeof interval>;
  readonly quality: object | null;
  readonly measured: ReturnType<typeof measuredOf>;
}

/** The report as text. */
export function drawReport(report: Report, policy: Policy | null): string {
  const usd = (amount: number | bigint): string => formatUsd(nano(BigInt(amount)));
  const { saved_nano_a_job: each, baseline_cost_nano_by_dice: dice } = report;
  return [
    `${report.alias}: ${report.jobs} completed jobs, ${report.escalated} of them asked twice`,
    ...report.shares.map(({ model, jobs, share }) => `  ${model.padEnd(32)} ${jobs} jobs, ${(100 * share).toFixed(1)} %`),
    `  saved by routing, waste taken off: ${usd(BigInt(report.saved_nano))} USD${each === null ? "" : `; a job ${usd(each.mean)} (95 % ${usd(each.low)} to ${usd(each.high)})`}`,
    dice === null
      ? "  too few requests were drawn for the baseline to estimate its cost by the dice"
      : `  the baseline by the dice: ${usd(dice.mean)} a job (95 % ${usd(dice.low)} to ${usd(dice.high)}, worth ${dice.effective} jobs)`,
    ...drawMeasured(report.measured),
    policy === null ? "  nothing has been learned: the baseline answers" : drawPolicy(report.alias, policy),
  ].join("\n");
}

function drawMeasured({ lost, pairs, allowed_loss, shadow_nano, judge_nano, ...of }: Report["measured"]): string[] {
  const usd = (amount: string): string => formatUsd(nano(BigInt(amount)));
  const dropped = pairs.dropped.reduce((sum, one) => sum + one.pairs, 0);
  return [
    lost === null
      ? "  no drawn request has been compared yet: nothing is known of the quality that was served"
      : `  quality lost against the baseline, as served: ${lost.mean.toFixed(4)} (95 % ${lost.low.toFixed(4)} to ${lost.high.toFixed(4)}, ${lost.pairs} drawn requests); ${allowed_loss.toFixed(4)} is allowed`,
    `  comparing: ${(100 * of.shadow).toFixed(1)} % drawn, ${pairs.open} open, ${pairs.labelled} labelled, ${dropped} dropped; it cost ${usd(shadow_nano)} USD for other candidates, ${usd(judge_nano)} USD for ${of.judge === null ? "a judge (none is set)" : `the judge ${of.judge}`}`,
    ...pairs.dropped.map(({ reason, pairs: n }) => `    dropped ${n}: ${reason}`),
    `  ${of.labels} labels, ${of.fresh_labels} of them not yet learned from; last trained ${of.trained_at ?? "never"}${of.drifted_at === null ? "" : `; closed for drift ${of.drifted_at}`}`,
  ];
}
