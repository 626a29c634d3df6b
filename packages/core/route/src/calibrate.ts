import { logit, sigmoid } from "./linear.ts";

/** Keeps Newton's steps finite where the two outcomes can be told apart. */
const RIDGE = 1e-3;

/** A straight line: `offset + slope * x`, of a slope that is never negative. */
export interface Line {
  readonly offset: number;
  readonly slope: number;
}

/** Least squares of `ys` on `xs`. */
export function fitLine(xs: ArrayLike<number>, ys: ArrayLike<number>): Line {
  const n = xs.length;
  let mx = 0;
  let my = 0;
  for (let i = 0; i < n; i++) {
    mx += xs[i]! / n;
    my += ys[i]! / n;
  }
  let xx = 0;
  let xy = 0;
  for (let i = 0; i < n; i++) {
    xx += (xs[i]! - mx) ** 2;
    xy += (xs[i]! - mx) * (ys[i]! - my);
  }
  if (xx === 0) return { offset: my, slope: 0 };
  const raw = xy / xx;
  let rest = 0;
  for (let i = 0; i < n; i++) rest += (ys[i]! - my - raw * (xs[i]! - mx)) ** 2;
  const slope = shrink(raw, rest / Math.max(1, n - 2) / xx);
  return { offset: my - slope * mx, slope };
}

/** A slope as far as it stands out from its own error (the positive part of James and Stein's): one that does not is 0. */
const shrink = (slope: number, variance: number): number => (slope <= 0 ? 0 : slope * Math.max(0, 1 - variance / slope ** 2));

/** Platt's calibration: the logistic curve through scores that were not trained on what they are held against. Newton's method with a light ridge. */
export function fitPlatt(xs: ArrayLike<number>, ys: ArrayLike<number>): Line {
  const n = xs.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += ys[i]! / n;
  let offset = logit(Math.min(0.999, Math.max(0.001, mean)));
  let slope = 0;
  let variance = 0;
  for (let step = 0; step < 25; step++) {
    const { gradient, curve } = slopesAt(xs, ys, { offset, slope });
    const det = curve[0] * curve[2] - curve[1] ** 2;
    if (Math.abs(det) < 1e-12) break;
    variance = curve[0] / det;
    const move = [(curve[2] * gradient[0] - curve[1] * gradient[1]) / det, (curve[0] * gradient[1] - curve[1] * gradient[0]) / det] as const;
    offset += move[0];
    slope += move[1];
    if (Math.abs(move[0]) + Math.abs(move[1]) < 1e-8) break;
  }
  return fitOffset(xs, mean, shrink(slope, variance));
}

function slopesAt(xs: ArrayLike<number>, ys: ArrayLike<number>, { offset, slope }: Line) {
  const gradient: [number, number] = [0, -RIDGE * slope];
  const curve: [number, number, number] = [1e-6, 0, RIDGE];
  for (let i = 0; i < xs.length; i++) {
    const x = xs[i]!;
    const p = sigmoid(offset + slope * x);
    const w = Math.max(1e-6, p * (1 - p));
    gradient[0] += ys[i]! - p;
    gradient[1] += (ys[i]! - p) * x;
    curve[0] += w;
    curve[1] += w * x;
    curve[2] += w * x * x;
  }
  return { gradient, curve };
}

/** The offset at which a curve of the given slope has the given mean. */
function fitOffset(xs: ArrayLike<number>, mean: number, slope: number): Line {
  let [low, high] = [-30, 30];
  for (let step = 0; step < 50; step++) {
    const offset = (low + high) / 2;
    let sum = 0;
    for (let i = 0; i < xs.length; i++) sum += sigmoid(offset + slope * xs[i]!) / xs.length;
    if (sum < mean) low = offset;
    else high = offset;
  }
  return { offset: (low + high) / 2, slope };
}

/** The probability that a calibrated score stands for. */
export const platt = ({ offset, slope }: Line, x: number): number => sigmoid(offset + slope * x);
