import { laneClass } from "@slowboat/contract";
import type { Quoted } from "@slowboat/intake";
import { formatUsd, nano } from "@slowboat/kernel";
import type { AdmissionClass, LaneQuote, Spread } from "@slowboat/plan";
import { EMULATED_LABEL } from "../../http/env.ts";

const share = (p: number | null): number | null => (p === null ? null : Number(Math.min(1, Math.max(0, p)).toPrecision(4)));

const RANK: readonly AdmissionClass[] = ["best_effort", "likely", "guaranteed"];

/** Money as strings of nano-USD. */
const spreadObject = (spread: Spread | null): Record<string, string> | null =>
  spread === null ? null : { low_nano: spread.low.toString(), expected_nano: spread.expected.toString(), high_nano: spread.high.toString() };

/** A quote as the API shows it. */
export function quoteObject(
  quoted: Quoted,
  { emulated, asked }: { readonly emulated: boolean; readonly asked: AdmissionClass | null },
): Record<string, unknown> {
  const { admission } = quoted;
  const given = admission === null ? -1 : RANK.indexOf(admission.class);
  const promised = asked === null || given >= RANK.indexOf(asked);
  const { quotedAtMs, total, naive, errors, moreErrors } = quoted;
  const at = (ms: number | null): string | null => (ms === null ? null : new Date(quotedAtMs + ms).toISOString());
  const lane = (one: LaneQuote): Record<string, unknown> => ({
    lane: one.lane,
    models: one.models,
    requests: one.lines,
    chosen: one.chosen,
    eligible: one.eligible,
    reason: one.why,
    price: spreadObject(one.price),
    expected_with_rescue_nano: one.expectedNano?.toString() ?? null,
    p50_finish: at(one.p50Ms),
    p90_finish: at(one.p90Ms),
    miss_probability: share(one.missed),
  });
  const refused = quoted.refusals.reduce((sum, one) => sum + one.lines, 0);
  return {
    object: "quote",
    quoted_at: new Date(quotedAtMs).toISOString(),
    deadline: quoted.deadlineAtMs === null ? null : new Date(quoted.deadlineAtMs).toISOString(),
    requests: quoted.lines,
    cached: { known: quoted.known, repeated: quoted.repeated },
    feasible: refused === 0 && errors.length === 0 && promised,
    admission: admission === null ? null : { asked, class: admission.class, reason: admission.why },
    lanes: quoted.lanes.map(lane),
    plan: {
      requests: quoted.lines - refused,
      lanes: quoted.lanes.flatMap((one) => (one.chosen > 0 ? [{ lane: one.lane, requests: one.chosen }] : [])),
      price: spreadObject(total),
      naive: spreadObject(naive),
      expected_usd: formatUsd(nano(total.expected)),
      naive_usd: naive === null ? null : formatUsd(nano(naive.expected)),
      saving_share: naive === null || naive.expected === 0n ? null : Number((1 - Number(total.expected) / Number(naive.expected)).toFixed(4)),
      reservation_nano: quoted.reservationNano.toString(),
      unpriced: quoted.unpriced,
      p50_finish: at(quoted.p50Ms),
      p90_finish: at(quoted.p90Ms),
      miss_probability: share(quoted.missed),
    },
    refusals: quoted.refusals.map((one) => ({
      code: one.code,
      message: one.message,
      requests: one.lines,
      earliest_feasible_deadline: one.earliestFeasibleAtMs === null ? null : new Date(one.earliestFeasibleAtMs).toISOString(),
    })),
    errors: { count: errors.length + moreErrors, data: errors },
    rests_on: restsOn(quoted),
    emulated,
    label: emulated ? EMULATED_LABEL : null,
  };
}

/** What the figures stand on: own measurements, or what is published. */
const restsOn = ({ outputs, snapshot }: Quoted): Record<string, unknown> => ({
  prices_version: snapshot.book.version,
  answers: Object.fromEntries([...outputs].map(([model, one]) => [model, { seen: one.seen, median_tokens: Math.round(one.medianTokens) }])),
  turnaround: Object.fromEntries(
    snapshot.lanes.flatMap(({ id }) => (laneClass(id) === "batch" ? [[id, { seen: snapshot.turnaround?.get(id)?.seen ?? 0 }] as const] : [])),
  ),
});
