import { type Cusum, openCusum } from "@slowboat/risk";
import { FEATURES, FEATURES_REVISION } from "./features.ts";
import prior from "./prior.json" with { type: "json" };

/** A label as it is kept. */
export interface Kept {
  readonly x: Uint8Array;
  readonly label: boolean;
  /** One over the chance with which it was collected. */
  readonly weight: number;
  /** Bit i: the i-th veto spoke against it. */
  readonly vetoes: number;
}

/** A label as the thresholds see it. */
export interface Sample {
  readonly score: number;
  readonly loss: number;
  readonly weight: number;
  /** The two questions were near copies of each other. */
  readonly copy: boolean;
}

/** A verifier and the labels that its threshold is set on. */
export interface Fit {
  readonly weights: readonly number[];
  /** Each label's score by a verifier that had not seen it; -1 where a veto stood. */
  readonly samples: readonly Sample[];
  /** Bit i: the i-th veto has given way. */
  readonly released: number;
}

/** How often questions met an entry, and how many of them had hardly a word of its own. */
export interface Meeting {
  readonly met: number;
  readonly unlike: number;
}

/** What one namespace has learned. Plain data, never changed in place. */
export interface ReuseState {
  /** Labels ever learned. */
  readonly seen: number;
  /** Labels since the last fit. */
  readonly fresh: readonly Kept[];
  /** Labels of the last fit, oldest first. */
  readonly window: readonly Kept[];
  readonly fit: Fit;
  readonly drift: Cusum;
  /** When drift was last noticed; everything before was forgotten. */
  readonly driftedAtMs: number | null;
  /** Digests of pairs that were told to be wrong, oldest first. */
  readonly blacklist: readonly string[];
  /** 0 to 1: how far complaints have raised the threshold towards 1. */
  readonly raised: number;
  readonly meetings: ReadonlyMap<string, Meeting>;
  /** What the judge of the gray zone was worth: its yes that were asked anew, and those of them that were wrong. */
  readonly judge: { readonly looked: number; readonly wrong: number };
}

/** A namespace that has learned nothing: only exact repetition is answered. */
export const emptyState = (): ReuseState => ({
  seen: 0,
  fresh: [],
  window: [],
  fit: { weights: PRIOR, samples: [], released: 0 },
  drift: openCusum(),
  driftedAtMs: null,
  blacklist: [],
  raised: 0,
  meetings: new Map(),
  judge: { looked: 0, wrong: 0 },
});

/** Where a verifier begins: what was learned from lessons of our own, by `node packages/dev/bench/src/reuse/make-prior.ts`. */
export const PRIOR: readonly number[] = prior.revision === FEATURES_REVISION ? prior.weights : FEATURES.map(() => 0);
