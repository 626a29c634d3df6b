import { type JobRoute, storedRoute } from "@slowboat/contract";
import type { PriceBook } from "@slowboat/pricing";
import { ipsEstimate, pairedEstimate } from "@slowboat/risk";
import type { Policy } from "@slowboat/route";
import { costShares, LABELS_MAX, trainRoute } from "@slowboat/route-learn";
import { jobClock } from "@slowboat/runtime";
import {
  addRouteLabels,
  listRoutes,
  listTenants,
  packed,
  type RouteRow,
  readClock,
  readPairReport,
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
import { readLabelFile } from "./route-labels.ts";
import { drawPolicy, drawReport, interval, learned, measuredOf, type Report } from "./route-table.ts";

/** Whose alias is meant. */
export interface RouteOfFlags extends GlobalFlags {
  readonly tenant: string;
}

/** Adds graded requests to an alias and learns its policy anew from all that are kept. Without a file it learns from those that are there. */
export async function routeTrain(config: Config, flags: RouteOfFlags, alias: string, file: string | undefined): Promise<ExitCode> {
  const fresh = file === undefined ? [] : await readLabelFile(file);
  return await withStore(config, flags, async (store) => {
    const { tenantId } = await routeOf(store, flags, alias);
    const clock = await readClock(store.sql);
    const nowMs = clock ? jobClock(clock).job() : Date.now();
    if (fresh.length > 0) await store.begin((tx) => addRouteLabels(tx, { tenantId, alias, labels: fresh, most: LABELS_MAX, nowMs }));
    const { row } = await routeOf(store, flags, alias);
    const labels = await readRouteLabels(store.sql, { tenantId, alias });
    const models = JSON.parse(row.candidates) as string[];
    const costs = pricedShares(readMarket(config).book, models, nowMs);
    const policy = trainRoute({ labels, models, costs, alpha: 1 - row.quality, seed: row.policyVersion + 1 });
    if (policy.labels < labels.length)
      say(`${labels.length - policy.labels} of ${labels.length} labels lack one of ${models.join(", ")} and are left out.`);
    const { policyVersion: seenVersion, fresh: seenFresh } = row;
    const saved = await store.begin((tx) =>
      savePolicy(tx, { tenantId, alias, seenVersion, seenFresh, policy: packed(policy), labels: policy.labels, nowMs }),
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

function pricedShares(book: PriceBook, models: readonly string[], atMs: number): readonly number[] {
  const costs = costShares(book, models, atMs);
  if ("unpriced" in costs) throw new Ended(EXIT.error, `The model '${costs.unpriced}' has no price, so that nothing can be said to be saved by it.`);
  return costs;
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
    const pairs = await readPairReport(store.sql, { tenantId, alias });
    const report: Report = {
      alias,
      jobs: outcomes.length,
      shares,
      escalated,
      saved_nano_a_job: interval(saved),
      saved_nano: outcomes.reduce((sum, { savedNano }) => sum + savedNano, 0n).toString(),
      baseline_cost_nano_by_dice: interval(drawn),
      quality: policy === null ? null : { allowed_loss: 1 - row.quality, ...learned(policy) },
      measured: measuredOf(row, pairs),
    };
    await data(flags.json ? JSON.stringify(report) : drawReport(report, policy));
    return EXIT.ok;
  });
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
