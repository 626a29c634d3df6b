import type { Rng } from "@slowboat/kernel";
import { type Calibration, conformalThreshold } from "@slowboat/risk";
import { type Acceptor, type Answered, judge, trainAcceptor, type Verdict } from "./acceptor.ts";
import { choose } from "./choose.ts";
import { type Guard, guard } from "./guard.ts";
import { type Ask, type Example, HEADS } from "./heads.ts";
import { LEXICAL } from "./lexical.ts";
import { labelsOf, priorOf } from "./prior.ts";
import { crossFit, type Expectation, expect, expectFrom, type Router, routerOf } from "./router.ts";

/** A graded request, with the answers of cheaper models where they were kept, by the model's place. */
export interface Label extends Example {
  readonly answers: ReadonlyMap<number, Omit<Answered, "expectedLoss">>;
  /** One over the chance with which it was collected. */
  readonly weight: number;
  /** True where somebody chose it, and no dice: it teaches, but a bound cannot rest on it. */
  readonly chosen?: boolean;
}

/** Everything that routes an alias: learned from its labels, and never looser than they allow. The baseline is model 0. */
export interface Policy {
  readonly models: readonly string[];
  /** Cost of each model as a share of the baseline's. */
  readonly costs: readonly number[];
  /** The mean loss of quality that is allowed. */
  readonly alpha: number;
  readonly router: Router | null;
  readonly guard: Guard;
  readonly acceptor: Acceptor | null;
  /** A cheap answer stands when the acceptor trusts it more than this. */
  readonly accept: Calibration;
  readonly labels: number;
}

/** Fewer labels than this teach the heads nothing, whatever bound is asked for. */
export const LEAST_LABELS = 100;
/** A lambda for choosing whom a cascade asks first: its answer is judged afterwards. */
const FIRST_LAMBDA = 0.1;

const CLOSED: Calibration = { threshold: Number.POSITIVE_INFINITY, effective: 0, risk: 0 };

/** How far the acceptor trusts an answer: higher is safer. */
const trust = ({ loss }: Verdict): number => -loss;

/** How many labels a policy needs before it may open for this allowed loss. */
export const labelsNeeded = (alpha: number): number => Math.max(LEAST_LABELS, Math.ceil(1 / alpha - 1 - 1e-9));

/** Learns a policy. With too few labels it is closed: the baseline answers everything. */
export function trainPolicy(
  labels: readonly Label[],
  what: { readonly models: readonly string[]; readonly costs: readonly number[]; readonly alpha: number },
  rng: Rng,
): Policy {
  const needed = labelsNeeded(what.alpha);
  const proving = labels.flatMap(({ chosen }, i) => (chosen ? [] : [i]));
  const closed: Policy = {
    ...what,
    router: null,
    guard: { lambda: null, risk: 0, effective: proving.length },
    acceptor: null,
    accept: CLOSED,
    labels: labels.length,
  };
  if (proving.length < needed) return closed;
  const fitted = crossFit(labels, what.models.length, rng);
  const router = routerOf(fitted, labels, { jobs: true });
  const held = fitted.held.map((scores, i) => expectFrom(router, labels[i]!.job, scores));
  const trials = proving.map((i) => ({ gaps: held[i]!.gap, scores: labels[i]!.scores, weight: labels[i]!.weight }));
  return { ...closed, router, guard: guard(trials, what.costs, what.alpha), ...learnAcceptor(labels, held, what.alpha, rng) };
}

function learnAcceptor(labels: readonly Label[], held: readonly Expectation[], alpha: number, rng: Rng): Pick<Policy, "acceptor" | "accept"> {
  const graded = labels.flatMap(({ answers, scores, weight, chosen = false }, i) =>
    [...answers].map(([m, answer]) => ({
      answer: { ...answer, expectedLoss: -held[i]!.gap[m]!, score: scores[m]!, baselineScore: scores[0]! },
      weight,
      chosen,
    })),
  );
  if (graded.filter(({ chosen }) => !chosen).length < labelsNeeded(alpha)) return { acceptor: null, accept: CLOSED };
  const trained = trainAcceptor(
    graded.map(({ answer }) => answer),
    rng,
  );
  const samples = graded.flatMap(({ answer, weight, chosen }, i) =>
    chosen ? [] : [{ score: trust(trained.held[i]!), loss: Math.max(0, answer.baselineScore - answer.score), weight }],
  );
  return { acceptor: trained.acceptor, accept: conformalThreshold(samples, alpha) };
}

/** Where a request goes first and why; plain data, kept with the job. */
export interface Routing {
  /** Place of the model that is asked first; 0 is the baseline. */
  readonly model: number;
  /** `cascade`: its answer is judged before it stands. */
  readonly mode: "baseline" | "before" | "cascade";
  readonly why: string;
  /** What the baseline's score was expected to be above the chosen model's. */
  readonly expectedLoss: number;
  /** Probability that the chosen model is right. */
  readonly quality: number;
  readonly reasons: readonly string[];
}

/**
 * Routes one request. `eligible` are the places of models that may run it; `mayJudge` says that an answer can be looked at before it is
 * given, and asked for again. The baseline answers whenever there is a doubt about the policy itself.
 */
export function route(policy: Policy, ask: Ask, eligible: readonly number[], mayJudge: boolean): Routing {
  const { router, costs, guard: bound, accept } = policy;
  const baseline = (why: string, expected?: Expectation): Routing => ({
    model: 0,
    mode: "baseline",
    why,
    expectedLoss: 0,
    quality: expected?.quality[0] ?? 0,
    reasons: expected && router ? reasonsOf(router, ask, expected, cheapest(expected)) : [],
  });
  const others = eligible.filter((m) => m !== 0);
  const cheapest = ({ gap }: Expectation): number => choose(gap, costs, FIRST_LAMBDA, others.length > 0 ? others : [1]).model;
  if (router === null) return baseline(`too few labels: ${policy.labels}`);
  const expected = expect(router, ask);
  if (others.length === 0) return baseline("no other candidate can run this request", expected);
  const taken = (model: number, mode: Routing["mode"], why: string): Routing => ({
    model,
    mode,
    why,
    expectedLoss: -expected.gap[model]!,
    quality: expected.quality[model]!,
    reasons: reasonsOf(router, ask, expected, model),
  });
  if (mayJudge && policy.acceptor !== null && accept.threshold < Number.POSITIVE_INFINITY) {
    const first = cheapest(expected);
    const [cost, likely] = [costs[first]!, expected.quality[first]!];
    if (cost < 1 && likely * (1 - cost) >= cost)
      return taken(first, "cascade", `its answer is judged before it stands; right with probability ${likely.toFixed(2)}`);
  }
  if (bound.lambda === null) return baseline("no price of quality keeps the loss within its bound", expected);
  const { model } = choose(expected.gap, costs, bound.lambda, [0, ...others]);
  return model === 0
    ? baseline("its expected quality is worth its price", expected)
    : taken(model, "before", `expected to lose ${Math.max(0, -expected.gap[model]!).toFixed(3)} of quality`);
}

/** What speaks for and against a model, the strongest first: kinds of head, the job's own record, figures of the prompt that stand out. */
function reasonsOf(router: Router, ask: Ask, { scores, quality }: Expectation, model: number): string[] {
  const prior = priorOf(router.heads.priors, ask.job);
  const labels = labelsOf(router.heads.priors, ask.job);
  const heads = scores.map((head, h) => ({ name: HEADS[h]!, gap: head[model]! - head[0]! })).sort((a, b) => Math.abs(b.gap) - Math.abs(a.gap));
  const { means, scales } = router.heads.standard;
  const figures = LEXICAL.map((name, f) => ({ name, z: (ask.lexical[f]! - means[f]!) * scales[f]! })).sort((a, b) => Math.abs(b.z) - Math.abs(a.z));
  return [
    `job: ${labels} labels, gap ${(prior[model]! - prior[0]!).toFixed(3)}`,
    `expected scores ${quality[model]!.toFixed(3)} against ${quality[0]!.toFixed(3)}`,
    ...heads.map(({ name, gap }) => `${name}: gap ${gap.toFixed(3)}`),
    ...figures.slice(0, 3).map(({ name, z }) => `${name}: ${z >= 0 ? "+" : ""}${z.toFixed(1)} spreads`),
  ];
}

/** Whether a cheap answer stands. */
export function accepts(policy: Policy, answer: Answered): { readonly stands: boolean; readonly trust: number; readonly right: number } {
  if (policy.acceptor === null) return { stands: false, trust: Number.NEGATIVE_INFINITY, right: 0 };
  const verdict = judge(policy.acceptor, answer);
  return { stands: trust(verdict) > policy.accept.threshold, trust: trust(verdict), right: verdict.right };
}

/**
 * What a policy loses on a graded request: the baseline's score less that of the model which would have answered, never below 0. `faulty` are the places of models
 * whose answers no check would have let stand; `mayJudge` as in `route`. A label lists the policy's models in its order.
 */
export function lossUnder(policy: Policy, label: Label, how: { readonly mayJudge: boolean; readonly faulty: ReadonlySet<number> }): number {
  const { model, mode, expectedLoss } = route(
    policy,
    label,
    policy.models.map((_, m) => m),
    how.mayJudge,
  );
  if (how.mayJudge && how.faulty.has(model)) return 0;
  const answer = label.answers.get(model);
  if (mode === "cascade" && (answer === undefined || !accepts(policy, { ...answer, expectedLoss }).stands)) return 0;
  return Math.max(0, label.scores[0]! - label.scores[model]!);
}
