import { readBudgetWish } from "@slowboat/contract";
import { budgetObject, setBudget } from "@slowboat/intake";
import { formatUsd, isFault, nano } from "@slowboat/kernel";
import { jobClock, systemRng } from "@slowboat/runtime";
import { type BudgetStanding, listBudgets, listTenants, readClock, type Store } from "@slowboat/store";
import type { Config } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { data, say } from "../terminal.ts";
import { type GlobalFlags, withStore } from "./place.ts";

/** What a budget may be told. */
export interface BudgetFlags extends GlobalFlags {
  readonly tenant: string;
  readonly project?: string;
  readonly period: string;
  readonly amount?: string;
  readonly soft?: boolean;
  readonly alertAt?: string;
  readonly callback?: string;
}

/** Sets the budget of a tenant or of one of its projects, in place of the one of the same period. */
export async function budgetsSet(config: Config, flags: BudgetFlags): Promise<ExitCode> {
  if (flags.amount === undefined) throw new Ended(EXIT.usage, "How much? Give --amount in dollars, such as --amount 250.");
  return await change(config, flags, flags.amount);
}

/** Takes a budget back: nothing is refused by it any more. Its books stay, and go on when it is set again. */
export async function budgetsRemove(config: Config, flags: BudgetFlags): Promise<ExitCode> {
  return await change(config, flags, null);
}

async function change(config: Config, flags: BudgetFlags, amount: string | null): Promise<ExitCode> {
  const { project = null, period, alertAt, callback = null } = flags;
  const asked = {
    project,
    period,
    amount_usd: amount,
    hard: !flags.soft,
    alert_at: alertAt === undefined ? null : share(alertAt),
    callback_url: callback,
  };
  const wanted = (() => {
    try {
      return readBudgetWish(asked);
    } catch (error) {
      if (isFault(error)) throw new Ended(EXIT.usage, error.message.replace("'amount_usd'", "--amount").replace("; null takes the budget back", ""));
      throw error;
    }
  })();
  return await withStore(config, flags, async (store) => {
    const tenant = (await listTenants(store.sql)).find((one) => one.name === flags.tenant);
    if (tenant === undefined) throw new Ended(EXIT.error, `There is no tenant '${flags.tenant.slice(0, 64)}'; see: npx slowboat tenants list`);
    const at = {
      nowMs: await jobNow(store),
      rng: systemRng(),
      callbackAllow: (config.SLOWBOAT_CALLBACK_ALLOW ?? "").split(",").map((one) => one.trim()),
    };
    const of = { tenantId: tenant.tenantId, tenantName: tenant.name, keyId: null };
    const budget = await store.begin((tx) => setBudget(tx, of, wanted, at));
    if (budget === null) say("The budget is taken back.");
    else await show(flags, budget);
    say("It counts what is accepted from now on; every process notices within ten seconds.");
    return EXIT.ok;
  });
}

/** Lists the budgets of the installation as they stand: used, reserved, left. */
export async function budgetsList(config: Config, flags: GlobalFlags): Promise<ExitCode> {
  return await withStore(config, flags, async (store) => {
    for (const budget of await listBudgets(store.sql, { tenantId: null, nowMs: await jobNow(store) })) await show(flags, budget);
    return EXIT.ok;
  });
}

const share = (text: string): number => {
  const value = /^\d{1,3}%$/.test(text) ? Number(text.slice(0, -1)) / 100 : Number(text);
  if (!(value > 0 && value <= 1)) throw new Ended(EXIT.usage, `--alert-at ${text.slice(0, 32)} is not possible: give a share such as 0.8 or 80%.`);
  return value;
};

const CELLS = 20;

async function show(flags: GlobalFlags, budget: BudgetStanding): Promise<void> {
  if (flags.json) {
    await data(JSON.stringify({ ...budgetObject(budget), tenant: budget.tenantName }));
    return;
  }
  const { amountNano, spentNano, heldNano } = budget;
  const cells = (nanoUsd: bigint): number => (amountNano === 0n ? 0 : Math.min(CELLS, Number((nanoUsd * BigInt(CELLS)) / amountNano)));
  const spent = cells(spentNano);
  const held = Math.max(0, Math.min(CELLS, cells(spentNano + heldNano)) - spent);
  const bar = "█".repeat(spent) + "▒".repeat(held) + "·".repeat(CELLS - spent - held);
  const usd = (amount: bigint): string => formatUsd(nano(amount));
  const left = amountNano - spentNano - heldNano;
  const who = budget.projectName === null ? budget.tenantName : `${budget.tenantName} / ${budget.projectName}`;
  const renews = budget.endsAtMs === null ? "" : `, renews ${new Date(budget.endsAtMs).toISOString()}`;
  await data(
    `${who}  ${budget.period}  ${usd(amountNano)} USD  ▕${bar}▏  spent ${usd(spentNano)}, reserved ${usd(heldNano)}, left ${usd(left)}${renews}  ${budget.hard ? "hard" : "soft"}${budget.alertedAtMs === null ? "" : "  alerted"}`,
  );
}

async function jobNow(store: Store): Promise<number> {
  const clock = await readClock(store.sql);
  return clock ? jobClock(clock).job() : Date.now();
}
