import { fromBase64, toBase64 } from "./base64.ts";
import { areCopies, FEATURES, FEATURES_REVISION } from "./features.ts";
import { POLICY } from "./policy.ts";
import { emptyState, type Kept, type Meeting, type ReuseState } from "./state.ts";

/** Goes up when the text's form changes. */
const FORM = 1;

interface Packed {
  /** Features of all labels one after the other. */
  readonly x: string;
  /** One letter a label: 1 for right. */
  readonly labels: string;
  /** Position and weight of the labels whose weight is not 1. */
  readonly weights: readonly (readonly [number, number])[];
  /** Position and bits of the labels against which something spoke. */
  readonly vetoes: readonly (readonly [number, number])[];
}

interface Written {
  readonly form: number;
  readonly features: number;
  readonly seen: number;
  readonly window: Packed;
  readonly fresh: Packed;
  readonly fit: { readonly weights: readonly number[]; readonly scores: readonly number[]; readonly released: number };
  readonly drift: ReuseState["drift"];
  readonly driftedAtMs: number | null;
  readonly blacklist: readonly string[];
  readonly raised: number;
  readonly meetings: readonly (readonly [string, Meeting])[];
  /** Absent in what was written before there was a judge. */
  readonly judge?: ReuseState["judge"];
}

/** The state as JSON text, at most about half a megabyte with a full window. What is read back decides as the state did. */
export function writeState(state: ReuseState): string {
  const { weights, samples, released } = state.fit;
  const written: Written = {
    form: FORM,
    features: FEATURES_REVISION,
    seen: state.seen,
    window: pack(state.window),
    fresh: pack(state.fresh),
    fit: { weights, scores: samples.map(({ score }) => score), released },
    drift: state.drift,
    driftedAtMs: state.driftedAtMs,
    blacklist: state.blacklist,
    raised: state.raised,
    meetings: [...state.meetings],
    judge: state.judge,
  };
  return JSON.stringify(written);
}

/**
 * Reads what `writeState` wrote. What was learned under other features, or cannot be read, is left behind: the namespace begins anew with exact repetition only, and
 * keeps its complaints where they can be read.
 */
export function readState(text: string): ReuseState {
  const written = parsed(text);
  const empty = emptyState();
  if (written === null) return empty;
  const kept = { ...empty, blacklist: strings(written.blacklist).slice(-POLICY.blacklist) };
  if (written.form !== FORM || written.features !== FEATURES_REVISION) return kept;
  const window = unpack(written.window);
  const fresh = unpack(written.fresh);
  const { weights, scores, released } = written.fit ?? {};
  if (window === null || fresh === null || !numbers(weights, FEATURES.length) || !numbers(scores, window.length)) return kept;
  return {
    ...kept,
    seen: written.seen,
    window,
    fresh,
    fit: {
      weights,
      samples: window.map(({ x, label, weight }, at) => ({ score: scores[at] as number, loss: label ? 0 : 1, weight, copy: areCopies(x) })),
      released: released ?? 0,
    },
    drift: written.drift,
    driftedAtMs: written.driftedAtMs,
    raised: written.raised,
    meetings: new Map(written.meetings),
    judge: written.judge ?? empty.judge,
  };
}

function parsed(text: string): (Partial<Written> & Written) | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Written) : null;
  } catch {
    return null;
  }
}

const strings = (value: unknown): string[] => (Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : []);
const numbers = (value: unknown, length: number): value is readonly number[] =>
  Array.isArray(value) && value.length === length && value.every((item) => typeof item === "number");

function pack(rows: readonly Kept[]): Packed {
  const x = new Uint8Array(rows.length * FEATURES.length);
  for (const [at, row] of rows.entries()) x.set(row.x, at * FEATURES.length);
  const pairs = (of: (row: Kept) => number, usual: number): [number, number][] =>
    rows.flatMap((row, at) => (of(row) === usual ? [] : [[at, of(row)] as [number, number]]));
  return {
    x: toBase64(x),
    labels: rows.map(({ label }) => (label ? "1" : "0")).join(""),
    weights: pairs(({ weight }) => weight, 1),
    vetoes: pairs(({ vetoes }) => vetoes, 0),
  };
}

function unpack(packed: Packed | undefined): Kept[] | null {
  if (typeof packed?.x !== "string" || typeof packed.labels !== "string") return null;
  const x = fromBase64(packed.x);
  if (x === null || x.length !== packed.labels.length * FEATURES.length) return null;
  const weights = new Map(packed.weights);
  const vetoes = new Map(packed.vetoes);
  return [...packed.labels].map((label, at) => ({
    x: x.slice(at * FEATURES.length, (at + 1) * FEATURES.length),
    label: label === "1",
    weight: weights.get(at) ?? 1,
    vetoes: vetoes.get(at) ?? 0,
  }));
}
