/** Bins that a feature's values are sorted into. */
const BINS = 32;

/** A small tree in arrays: leaf where `feature` is -1, else left where the value is at most `cut`. */
interface Tree {
  readonly feature: Int16Array;
  readonly cut: Float32Array;
  readonly left: Int16Array;
  readonly right: Int16Array;
  readonly value: Float32Array;
}

/** Boosted regression trees over dense features. */
export interface Forest {
  readonly base: number;
  readonly trees: readonly Tree[];
}

/** How a forest is grown. */
export interface BoostOptions {
  readonly rounds: number;
  readonly rate: number;
  readonly leaves: number;
  readonly leastRows: number;
  readonly l2: number;
}

/** Dense features as columns of bins, with the cuts between them: the part that forests over the same rows share. */
export interface Binned {
  readonly rows: number;
  readonly features: number;
  /** Bin of row `i` in feature `f` at `f * rows + i`. */
  readonly bins: Uint8Array;
  readonly cuts: readonly Float32Array[];
}

/** Sorts every feature's values into at most 32 bins of about equally many rows. */
export function binned(rows: readonly ArrayLike<number>[], features: number): Binned {
  const bins = new Uint8Array(features * rows.length);
  const cuts: Float32Array[] = [];
  for (let f = 0; f < features; f++) {
    const values = Float32Array.from(rows, (row) => row[f]!);
    const sorted = Float32Array.from(values).sort();
    const edges: number[] = [];
    for (let b = 1; b < BINS; b++) {
      const edge = sorted[Math.floor((b * sorted.length) / BINS)]!;
      if (edge !== edges.at(-1) && edge < sorted.at(-1)!) edges.push(edge);
    }
    const own = Float32Array.from(edges);
    cuts.push(own);
    for (let i = 0; i < rows.length; i++) bins[f * rows.length + i] = binOf(own, values[i]!);
  }
  return { rows: rows.length, features, bins, cuts };
}

/** The number of cuts that lie below the value. */
function binOf(cuts: Float32Array, value: number): number {
  let low = 0;
  let high = cuts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value <= cuts[middle]!) high = middle;
    else low = middle + 1;
  }
  return low;
}

interface Leaf {
  readonly rows: Int32Array;
  readonly node: number;
  readonly split: { readonly feature: number; readonly bin: number; readonly gain: number } | null;
}

/** Gradient boosting with squared loss (Friedman, 2001), leaf-wise: the leaf that gains most is split next. */
export function boost(data: Binned, targets: Float64Array, options: BoostOptions): Forest {
  let base = 0;
  for (let i = 0; i < data.rows; i++) base += targets[i]! / Math.max(1, data.rows);
  const rest = Float64Array.from(targets, (target) => target - base);
  const trees: Tree[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const tree = grow(data, rest, options);
    if (tree === null) break;
    trees.push(tree);
  }
  return { base, trees };
}

/** One tree on what is left over; takes its share off `rest`. */
function grow(data: Binned, rest: Float64Array, options: BoostOptions): Tree | null {
  const all = Int32Array.from({ length: data.rows }, (_, i) => i);
  const most = 2 * options.leaves - 1;
  const tree = {
    feature: new Int16Array(most).fill(-1),
    cut: new Float32Array(most),
    left: new Int16Array(most),
    right: new Int16Array(most),
    value: new Float32Array(most),
  };
  const leaves: Leaf[] = [{ rows: all, node: 0, split: bestSplit(data, rest, all, options) }];
  let nodes = 1;
  while (leaves.length < options.leaves) {
    let best = -1;
    for (let i = 0; i < leaves.length; i++) {
      const split = leaves[i]!.split;
      if (split !== null && (best < 0 || split.gain > leaves[best]!.split!.gain)) best = i;
    }
    if (best < 0) break;
    const [{ rows, node, split }] = leaves.splice(best, 1) as [Leaf];
    const { feature, bin } = split!;
    tree.feature[node] = feature;
    tree.cut[node] = data.cuts[feature]![bin]!;
    const at = feature * data.rows;
    const left = rows.filter((row) => data.bins[at + row]! <= bin);
    const right = rows.filter((row) => data.bins[at + row]! > bin);
    tree.left[node] = nodes;
    tree.right[node] = nodes + 1;
    leaves.push({ rows: left, node: nodes++, split: bestSplit(data, rest, left, options) });
    leaves.push({ rows: right, node: nodes++, split: bestSplit(data, rest, right, options) });
  }
  if (nodes === 1) return null;
  for (const { rows, node } of leaves) {
    let sum = 0;
    for (const row of rows) sum += rest[row]!;
    const value = (options.rate * sum) / (rows.length + options.l2);
    tree.value[node] = value;
    for (const row of rows) rest[row]! -= value;
  }
  return tree;
}

const sums = new Float64Array(BINS);
const counts = new Int32Array(BINS);

function bestSplit(data: Binned, rest: Float64Array, rows: Int32Array, { leastRows, l2 }: BoostOptions): Leaf["split"] {
  if (rows.length < 2 * leastRows) return null;
  let total = 0;
  for (let i = 0; i < rows.length; i++) total += rest[rows[i]!]!;
  const whole = total ** 2 / (rows.length + l2);
  let best: Leaf["split"] = null;
  for (let f = 0; f < data.features; f++) {
    const last = data.cuts[f]!.length;
    if (last === 0) continue;
    sums.fill(0);
    counts.fill(0);
    const at = f * data.rows;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const bin = data.bins[at + row]!;
      sums[bin]! += rest[row]!;
      counts[bin]!++;
    }
    let left = 0;
    let leftRows = 0;
    for (let bin = 0; bin < last; bin++) {
      left += sums[bin]!;
      leftRows += counts[bin]!;
      if (leftRows < leastRows) continue;
      if (rows.length - leftRows < leastRows) break;
      const gain = left ** 2 / (leftRows + l2) + (total - left) ** 2 / (rows.length - leftRows + l2) - whole;
      if (gain > 1e-9 && (best === null || gain > best.gain)) best = { feature: f, bin, gain };
    }
  }
  return best;
}

/** What the forest says of one row of features, which were binned as 32-bit numbers and are compared as such. */
export function predict(forest: Forest, row: Float32Array): number {
  let sum = forest.base;
  for (const { feature, cut, left, right, value } of forest.trees) {
    let node = 0;
    while (feature[node]! >= 0) node = row[feature[node]!]! <= cut[node]! ? left[node]! : right[node]!;
    sum += value[node]!;
  }
  return sum;
}
