import { watch } from "@slowboat/risk";
import { bitsOf, HARD_BITS, stands } from "./decide.ts";
import { areCopies, FEATURES_REVISION, weigh } from "./features.ts";
import { VETOES } from "./guard.ts";
import { digestOf, isUnlike, meet } from "./misuse.ts";
import { POLICY } from "./policy.ts";
import { emptyState, type Fit, type Kept, PRIOR, type ReuseState } from "./state.ts";
import type { ReuseAsk, ReuseDecision, ReuseLabel } from "./types.ts";
import { fitVerifier } from "./verifier.ts";

/**
 * Takes in one label. An explored hit weighs one over its propensity, a miss 1; a reused answer teaches nothing, since nobody looked. Every so many labels the
 * verifier is fitted anew (some tens of milliseconds at a full window). When the explored losses betray drift, all is forgotten but complaints.
 */
export function learn(state: ReuseState, { ask, decision, label, nowMs }: ReuseLabel): ReuseState {
  const evidence = decision.kind === "reuse" ? null : weigh(ask);
  if (evidence === null) return state;
  const weight = decision.kind === "explore" ? 1 / decision.propensity : 1;
  const loss = decision.kind === "explore" && !label ? weight : 0;
  const drift = watch(state.drift, loss, {
    target: weight * ask.allowedError,
    unit: Math.max(POLICY.driftUnit, 2 * weight * ask.allowedError),
    falseAlarmAfter: POLICY.falseAlarmAfter,
  });
  const kept: Kept = { x: evidence.x, label, weight: Math.round(weight * 1_000) / 1_000, vetoes: bitsOf(evidence.vetoes) };
  if (drift.alarmed)
    return { ...emptyState(), seen: state.seen + 1, fresh: [kept], driftedAtMs: nowMs, blacklist: state.blacklist, meetings: state.meetings };
  const next = { ...noteReuse(state, ask, decision), seen: state.seen + 1, fresh: [...state.fresh, kept], drift };
  return next.fresh.length >= refitAfter(state.window.length) ? refitted(next) : next;
}

const refitAfter = (known: number): number => Math.min(POLICY.refitMax, Math.max(POLICY.refitMin, POLICY.refitShare * known));

function refitted(state: ReuseState): ReuseState {
  const window = [...state.window, ...state.fresh].slice(-POLICY.window);
  return { ...state, window, fresh: [], fit: fitOf(window, state.fit.weights), raised: state.raised / 2 };
}

/** Fits the verifier to the labels where no hard veto spoke, and scores every label without itself. */
function fitOf(window: readonly Kept[], start: readonly number[]): Fit {
  const released = releasedBy(window);
  const rows = window.filter(({ vetoes }) => (vetoes & HARD_BITS) === 0);
  const fitted = fitVerifier(
    rows.map((row) => ({ ...row, weight: Math.min(POLICY.fitWeightMax, row.weight) })),
    PRIOR,
    POLICY.pull,
    start,
  );
  let at = 0;
  const samples = window.map(({ x, vetoes, label, weight }) => {
    const unseen = (vetoes & HARD_BITS) === 0 ? Math.round((fitted.unseen[at++] as number) * 1e6) / 1e6 : -1;
    return { score: stands(vetoes, released) ? -1 : unseen, loss: label ? 0 : 1, weight, copy: areCopies(x) };
  });
  return { weights: [...fitted.weights], samples, released };
}

/** The soft vetoes that labels in their despite have refuted. */
function releasedBy(window: readonly Kept[]): number {
  let released = 0;
  VETOES.forEach((_, no) => {
    const bit = 1 << no;
    if (bit & HARD_BITS) return;
    const spoken = window.filter(({ vetoes }) => (vetoes & bit) !== 0 && (vetoes & HARD_BITS) === 0);
    const right = spoken.filter(({ label }) => label).length;
    if (spoken.length >= POLICY.releaseLabels && right >= POLICY.releaseShare * spoken.length) released |= bit;
  });
  return released;
}

/**
 * Notes that a question met an entry closely enough to be answered by it, so that an entry which draws unlike questions is shut: a vector made to collide is known by the
 * company it keeps. To be called for reused answers; `learn` notes explored ones itself. A miss changes nothing.
 */
export function noteReuse(state: ReuseState, ask: ReuseAsk, { id }: ReuseDecision): ReuseState {
  const entry = id === null ? undefined : ask.neighbours.find((neighbour) => neighbour.id === id);
  return entry === undefined ? state : { ...state, meetings: meet(state.meetings, entry.id, isUnlike(ask.text, entry.text)) };
}

/** Takes in a complaint: the answer kept under `kept` was wrong for `asked`. The pair is never matched again, and the threshold rises for a while. */
export function complain(state: ReuseState, asked: string, kept: string): ReuseState {
  const blacklist = [...state.blacklist.filter((digest) => digest !== digestOf(asked, kept)), digestOf(asked, kept)].slice(-POLICY.blacklist);
  return { ...state, blacklist, raised: state.raised + (1 - state.raised) * POLICY.complaint };
}

/** Weights of a verifier taught by lessons, for a prior: features alone decide, vetoes are left aside. Rounded, so that they read well. */
export function teach(
  lessons: readonly { readonly ask: ReuseAsk; readonly label: boolean }[],
  pull: number,
): { revision: number; weights: number[] } {
  const rows = lessons.flatMap(({ ask, label }) => {
    const evidence = weigh(ask);
    return evidence === null ? [] : [{ x: evidence.x, label, weight: 1 }];
  });
  const { weights } = fitVerifier(
    rows,
    PRIOR.map(() => 0),
    pull,
  );
  return { revision: FEATURES_REVISION, weights: [...weights].map((weight) => Math.round(weight * 1_000) / 1_000) };
}
