import { assert } from "@slowboat/kernel";
import type { Forest } from "./boost.ts";

/** Leaves that a tree of a grove has at most: one bit each. */
const MOST_LEAVES = 8;
const ALL = 255;

/**
 * Several forests over the same features, laid out to be asked together. Walking a tree, every step waits for the one before and half of them are guessed wrong; here a
 * tree's leaves are bits, from the left, a split that a row lies above strikes the leaves on its left, and the lowest bit left is the row's leaf (QuickScorer:
 * Lucchese and others, 2015).
 */
export interface Grove {
  readonly bases: Float64Array;
  /** Where each forest's trees begin, and where the last one's end. */
  readonly starts: Int32Array;
  /** Value of leaf `l` of tree `t` at `8 * t + l`. */
  readonly values: Float32Array;
  readonly features: readonly Cuts[];
  /** Tree of each split, by feature and then by cut, and the bits that it leaves. */
  readonly trees: Uint16Array;
  readonly masks: Uint8Array;
}

/** The distinct cuts of one feature, from below. */
interface Cuts {
  readonly at: Float32Array;
  /** Where the splits at each cut begin among all, and where the last one's end. */
  readonly starts: Int32Array;
}

interface Split {
  readonly tree: number;
  readonly cut: number;
  readonly mask: number;
}

/** Lays out forests over `features` features; their trees have eight leaves at most. */
export function groveOf(forests: readonly Forest[], features: number): Grove {
  const starts = new Int32Array(forests.length + 1);
  forests.forEach(({ trees }, i) => {
    starts[i + 1] = starts[i]! + trees.length;
  });
  const all = forests.flatMap(({ trees }) => trees);
  const values = new Float32Array(MOST_LEAVES * all.length);
  const splits: Split[][] = Array.from({ length: features }, () => []);
  all.forEach((tree, no) => {
    let leaves = 0;
    /** Numbers the leaves under a node from the left and notes its splits. */
    const visit = (node: number): void => {
      const feature = tree.feature[node]!;
      if (feature < 0) {
        assert(leaves < MOST_LEAVES, "a tree of a grove has eight leaves at most");
        values[MOST_LEAVES * no + leaves++] = tree.value[node]!;
        return;
      }
      const first = leaves;
      visit(tree.left[node]!);
      const left = (1 << leaves) - (1 << first);
      splits[feature]!.push({ tree: no, cut: tree.cut[node]!, mask: ALL & ~left });
      visit(tree.right[node]!);
    };
    visit(0);
  });
  let count = 0;
  const cuts = splits.map((own): Cuts => {
    own.sort((a, b) => a.cut - b.cut);
    const firsts = own.flatMap(({ cut }, i) => (i === 0 || cut !== own[i - 1]!.cut ? [i] : []));
    const from = count;
    count += own.length;
    return { at: Float32Array.from(firsts, (i) => own[i]!.cut), starts: Int32Array.from([...firsts, own.length], (i) => from + i) };
  });
  const flat = splits.flat();
  return {
    bases: Float64Array.from(forests, ({ base }) => base),
    starts,
    values,
    features: cuts,
    trees: Uint16Array.from(flat, ({ tree }) => tree),
    masks: Uint8Array.from(flat, ({ mask }) => mask),
  };
}

/** Leaves of every tree that a row may still reach; scratch of one call. */
let open = new Uint8Array(2_048);

/** What every forest says of one row of features, as `predict` says it: the same sums in the same order. */
export function askGrove({ bases, starts, values, features, trees, masks }: Grove, row: Float32Array): Float64Array {
  const count = starts[bases.length]!;
  if (open.length < count) open = new Uint8Array(count);
  open.fill(ALL, 0, count);
  for (let f = 0; f < features.length; f++) {
    const { at, starts: splits } = features[f]!;
    const value = row[f]!;
    let above = 0;
    while (above < at.length && !(value <= at[above]!)) above++;
    for (let i = splits[0]!, end = splits[above]!; i < end; i++) open[trees[i]!]! &= masks[i]!;
  }
  const sums = bases.slice();
  for (let forest = 0; forest < sums.length; forest++) {
    let sum = sums[forest]!;
    for (let tree = starts[forest]!, end = starts[forest + 1]!; tree < end; tree++) {
      const bits = open[tree]!;
      sum += values[MOST_LEAVES * tree + 31 - Math.clz32(bits & -bits)]!;
    }
    sums[forest] = sum;
  }
  return sums;
}
