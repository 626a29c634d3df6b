import { type JobRoute, NO_USAGE, storedRoute } from "@slowboat/contract";
import { formatUsd, nano, seededRng } from "@slowboat/kernel";
import { type PriceBook, price, resolveModel } from "@slowboat/pricing";
import { type Estimate, ipsEstimate, pairedEstimate } from "@slowboat/risk";
import { LEAST_LABELS, type Policy, trainPolicy } from "@slowboat/route";
import { jobClock } from "@slowboat/runtime";
import {
  addRouteLabels,
  listRoutes,
  listTenants,
  packed,
  type RouteRow,
  readClock,
  readPolicy,
  readRouted,
  readRouteLabels,
  type Store,
  savePolicy,
  unpacked,
} from "@slowboat/store";
import { type Config, readMarket } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { data, say } from "../terminal.ts";
import { apiOf, type GlobalFlags, withStore } from "./place.ts";
import { labelsFor, readLabelFile } from "./route-labels.ts";

/** Whose alias is meant. */
export interface RouteOfFlags extends GlobalFlags {
  readonly tenant: string;
}

/** Labels that are kept for an alias; the oldest go first. */
const LABELS_MAX = 5_000;

/** Adds graded requests to an alias and learns its policy anew from all that are kept. Without a file it learns from those that are there. */
export async function routeTrain(config: Config, flags: RouteOfFlags, alias: string, file: string | undefined): Promise<ExitCode> {
  const fresh = file === undefined ? [] : await readLabelFile(file);
  return await withStore(config, flags, async (store) => {
    const { tenantId, row } = await routeOf(store, flags, alias);
    const clock = await readClock(store.sql);
    const nowMs = clock ? jobClock(clock).job() : Date.now();
    if (fresh.length > 0) await store.begin((tx) => addRouteLabels(tx, { tenantId, alias, labels: fresh, most: LABELS_MAX, nowMs }));
    const kept = await readRouteLabels(store.sql, { tenantId, alias });
    const models = JSON.parse(row.candidates) as string[];
    const labels = labelsFor(kept, models);
    if (labels.length < kept.length)
      say(`${kept.length - labels.length} of ${kept.length} labels lack one of ${models.join(", ")} and are left out.`);
    const costs = costShares(readMarket(config).book, models, nowMs);
    const policy = trainPolicy(labels, { models, costs, alpha: 1 - row.quality }, seededRng(row.policyVersion + 1));
    const saved = await store.begin((tx) =>
      savePolicy(tx, { tenantId, alias, seenVersion: row.policyVersion, policy: packed(policy), labels: labels.length, nowMs }),
    );
    if (!saved) throw new Ended(EXIT.error, `The alias ${alias} was changed while this learned; run it again.`);
    await data(flags.json ? JSON.stringify({ alias, policy_version: row.policyVersion + 1, ...learned(policy) }) : drawPolicy(alias, policy));
    return EXIT.ok;
  });
}

async function routeOf(store: Store, flags: RouteOfFlags, alias: string): Promise<{ readonly tenantId: string; readonly row: RouteRow }> {
  const tenant = (await listTenants(store.sql)).find(({ name }) => name === flags.tenant);
  if (tenant === undefined) throw new Ended(EXIT.error, `There is no tenant '${flags.tenant.slice(0, 64)}'; see: npx slowboat tenants list`);
  const row = (await listRoutes(store.sql, tenant.tenantId)).find((one) => one.alias === alias);
  if (row === undefined)
    throw new Ended(EXIT.error, `The tenant ${flags.tenant} has no alias '${alias.slice(0, 64)}'; see: npx slowboat routes list`);
  return { tenantId: tenant.tenantId, row };
}

/** What a request of three parts input and one part output costs on each model, as a share of the first one's cost. */
function costShares(book: PriceBook, models: readonly string[], atMs: number): number[] {
  const usage = { ...NO_USAGE, input: 750, output: 250 };
  const costs = models.map((name) => {
    const first = resolveModel(book, name)?.candidates[0];
    const said = first === undefined ? null : price(book, { ...first, tier: "standard" }, usage, atMs);
    if (said === null || said.unpriced)
      throw new Ended(EXIT.error, `The model '${name}' has no price, so that nothing can be said to be saved by it.`);
    return Number(said.nano);
  });
  return costs.map((cost) => cost / (costs[0] ?? 1));
}

const learned = (policy: Policy): Record<string, unknown> => ({
  models: policy.models,
  cost_shares: policy.costs,
  labels: policy.labels,
  allowed_loss: policy.alpha,
  before: { open: policy.guard.lambda !== null, lambda: policy.guard.lambda, seen_loss: policy.guard.risk },
  cascade: {
    open: Number.isFinite(policy.accept.threshold) && policy.acceptor !== null,
    graded_answers: policy.acceptor?.labels ?? 0,
    seen_loss: policy.accept.risk,
  },
});

function drawPolicy(alias: string, policy: Policy): string {
  const { guard, accept, acceptor, labels, alpha } = policy;
  const needs = Math.max(LEAST_LABELS, Math.ceil(1 / alpha - 1));
  const closed = `closed: ${labels < needs ? `${needs} labels are needed` : "the allowed loss leaves no room"}; the baseline answers`;
  return [
    `${alias}: ${labels} labels, ${policy.models[0]} is the measure, a loss of ${alpha.toFixed(3)} is allowed`,
    `  by the request alone  ${guard.lambda === null ? closed : `open, seen loss ${guard.risk.toFixed(4)}`}`,
    `  by the answer         ${acceptor === null || !Number.isFinite(accept.threshold) ? (acceptor === null ? `closed: ${needs} graded answers are needed` : closed) : `open, seen loss ${accept.risk.toFixed(4)}`}`,
    ...policy.models.map((name, m) => `  ${name.padEnd(32)} costs ${(100 * (policy.costs[m] ?? 0)).toFixed(1)} % of the baseline`),
  ].join("\n");
}

/** Shows what routing an alias came to: who answered, what it saved out of the ledger, and what the labels say of the quality. */
export async function routeReport(config: Config, flags: RouteOfFlags, alias: string): Promise<ExitCode> {
  return await withStore(config, flags, async (store) => {
    const { tenantId, row } = await routeOf(store, flags, alias);
    const bytes = await readPolicy(store.sql, { tenantId, alias });
    const policy = bytes === null ? null : unpacked<Policy>(bytes);
    const outcomes = (await readRouted(store.sql, { tenantId, alias })).map((one) => ({ ...one, route: storedRoute(one.route) as JobRoute }));
    const shares = Object.entries(Object.groupBy(outcomes, ({ model }) => model)).map(([model, of = []]) => ({
      model,
      jobs: of.length,
      share: of.length / outcomes.length,
    }));
    const saved = pairedEstimate(outcomes.map(({ savedNano }) => Number(savedNano)));
    // What the baseline costs, from where the dice or the policy sent requests to it; what was paid, from all.
    const drawn = ipsEstimate(
      outcomes
        .filter(({ route }) => route.explored || route.propensity < 1)
        .map(({ route, paidNano }) => ({ value: Number(paidNano), taken: route.explored, propensity: route.propensity })),
    );
    const escalated = outcomes.filter(({ route }) => route.mode === "escalated").length;
    const report = {
      alias,
      jobs: outcomes.length,
      shares,
      escalated,
      saved_nano_a_job: interval(saved),
      saved_nano: outcomes.reduce((sum, { savedNano }) => sum + savedNano, 0n).toString(),
      baseline_cost_nano_by_dice: interval(drawn),
      quality: policy === null ? null : { allowed_loss: 1 - row.quality, ...learned(policy) },
    };
    await data(flags.json ? JSON.stringify(report) : drawReport(report, policy));
    return EXIT.ok;
  });
}

const interval = ({ mean, low, high, effective }: Estimate) =>
  Number.isFinite(low) ? { mean: Math.round(mean), low: Math.round(low), high: Math.round(high), effective: Math.round(effective) } : null;

interface Report {
  readonly alias: string;
  readonly jobs: number;
  readonly shares: readonly { readonly model: string; readonly jobs: number; readonly share: number }[];
  readonly escalated: number;
  readonly saved_nano: string;
  readonly saved_nano_a_job: ReturnType<typeof interval>;
  readonly baseline_cost_nano_by_dice: ReturnType<typeof interval>;
}

function drawReport(report: Report, policy: Policy | null): string {
  const usd = (amount: number | bigint): string => formatUsd(nano(BigInt(amount)));
  const { saved_nano_a_job: each, baseline_cost_nano_by_dice: dice } = report;
  return [
    `${report.alias}: ${report.jobs} completed jobs, ${report.escalated} of them asked twice`,
    ...report.shares.map(({ model, jobs, share }) => `  ${model.padEnd(32)} ${jobs} jobs, ${(100 * share).toFixed(1)} %`),
    `  saved by routing, waste taken off: ${usd(BigInt(report.saved_nano))} USD${each === null ? "" : `; a job ${usd(each.mean)} (95 % ${usd(each.low)} to ${usd(each.high)})`}`,
    dice === null
      ? "  too few requests were drawn for the baseline to estimate its cost by the dice"
      : `  the baseline by the dice: ${usd(dice.mean)} a job (95 % ${usd(dice.low)} to ${usd(dice.high)}, worth ${dice.effective} jobs)`,
    policy === null ? "  nothing has been learned: the baseline answers" : drawPolicy(report.alias, policy),
  ].join("\n");
}

/** Explains how a job was routed, from what was stored with it. */
export async function routeExplain(config: Config, flags: GlobalFlags, id: string): Promise<ExitCode> {
  const job = await apiOf(config, flags).json<{ route: Readonly<Record<string, unknown>> | null; model: string }>(
    "GET",
    `/v1/jobs/${encodeURIComponent(id)}`,
  );
  if (job.route === null) throw new Ended(EXIT.error, `${id} asked for ${job.model} by name and was not routed.`);
  const { route } = job;
  if (flags.json) await data(JSON.stringify(route));
  else {
    const first = route["first"] === null ? `${route["baseline"]} (the baseline)` : `${route["first"]}, with ${route["baseline"]} behind it`;
    const lines = [`alias ${route["alias"]}, policy ${route["version"]}, ${route["mode"]}: ${first}`, `  ${route["why"]}`];
    if (route["verdict"] !== undefined) lines.push(`  ${route["verdict"]}`);
    lines.push(`  propensity ${route["propensity"]}, threshold ${route["threshold"] ?? "closed"}, price of quality ${route["lambda"] ?? "closed"}`);
    for (const left of (route["left_out"] as string[] | undefined) ?? []) lines.push(`  left out: ${left}`);
    await data([...lines, ...(route["reasons"] as string[]).map((reason) => `  ${reason}`)].join("\n"));
  }
  return EXIT.ok;
}
