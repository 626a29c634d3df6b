import { readBudgetWish } from "@slowboat/contract";
import { budgetObject, setBudget } from "@slowboat/intake";
import { fault } from "@slowboat/kernel";
import { listBudgets } from "@slowboat/store";
import type { Mount } from "../http/env.ts";
import { readJsonBody } from "../interactive/read-body.ts";

const BODY_BYTES = 64 * 1024;

/** Budgets of the caller's tenant: every key sees those that count its work, an admin key sees and sets all. */
export const budgetRoutes: Mount = (app, deps) => {
  app.get("/v1/budgets", async (c) => {
    const { tenantId, projectId, admin } = c.get("caller");
    const rows = await listBudgets(deps.store.sql, { tenantId, nowMs: deps.clock.job(), ...(admin ? {} : { projectId }) });
    return c.json({ object: "list", data: rows.map(budgetObject), has_more: false });
  });

  app.put("/v1/budgets", async (c) => {
    const caller = c.get("caller");
    if (!caller.admin)
      throw fault("not-permitted", {
        message: "Only an admin key of the tenant may set budgets; one is made with: npx slowboat keys create --admin.",
      });
    const wanted = readBudgetWish((await readJsonBody(c, BODY_BYTES)).value);
    const { clock, rng, house } = deps;
    const at = { nowMs: clock.job(), rng, callbackAllow: house.callbackAllow };
    const budget = await deps.store.begin((tx) => setBudget(tx, caller, wanted, at));
    deps.logger.info({ tenantId: caller.tenantId, keyId: caller.keyId, budgetId: budget?.id ?? null, period: wanted.period }, "budget-set");
    return c.json(
      budget === null
        ? {
            object: "budget",
            scope: wanted.project === null ? "tenant" : "project",
            project: wanted.project,
            period: wanted.period,
            amount_usd: null,
          }
        : budgetObject(budget),
    );
  });
};
