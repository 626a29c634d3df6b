import { fault, LIMITS, parseUsd } from "@slowboat/kernel";
import { z } from "zod";

/** After how long a budget begins anew; days and months are UTC's. */
export const BUDGET_PERIODS = ["total", "day", "month"] as const;
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number];

const wish = z.strictObject({
  scope: z.enum(["tenant", "project"]).optional(),
  project: z.string().max(64).nullish(),
  period: z.enum(BUDGET_PERIODS).optional(),
  amount_usd: z.union([z.number(), z.string().max(32)]).nullable(),
  hard: z.boolean().optional(),
  alert_at: z.number().gt(0).max(1).nullish(),
  callback_url: z.string().max(LIMITS.callbackUrlChars).nullish(),
});

/** A budget as a caller or an operator wants it. */
export interface BudgetWish {
  /** By name; `null` for the whole tenant. */
  readonly project: string | null;
  readonly period: BudgetPeriod;
  /** `null` takes it back. */
  readonly amountNano: bigint | null;
  readonly hard: boolean;
  readonly alertAt: number | null;
  /** As written: its address is judged where it is set. */
  readonly callbackUrl: string | null;
}

/** Reads `{scope, project, period, amount_usd, hard, alert_at, callback_url}`; what is wrong is a fault that names the field. */
export function readBudgetWish(value: unknown): BudgetWish {
  const parsed = wish.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const unknown = issue?.code === "unrecognized_keys" ? (issue.keys[0] ?? "").slice(0, 64) : null;
    const param = unknown ?? (issue?.path ?? []).join(".");
    const why =
      unknown === null
        ? `'${param}' is not valid: ${issue?.message ?? "unreadable"}.`
        : `Unknown field '${param}'; known: ${Object.keys(wish.shape).join(", ")}.`;
    throw fault("invalid-request", { param, message: why });
  }
  const { scope, project = null, period = "month", amount_usd: amount, hard = true, alert_at: alertAt, callback_url: callbackUrl } = parsed.data;
  if (scope === "project" && project === null)
    throw fault("missing-parameter", { param: "project", message: "Missing required parameter: 'project', the name of the project." });
  if (scope === "tenant" && project !== null)
    throw fault("invalid-request", { param: "project", message: "A budget of the scope 'tenant' names no project." });
  const amountNano = amount === null ? null : parseUsd(amount);
  if (amount !== null && amountNano === null)
    throw fault("invalid-request", {
      param: "amount_usd",
      message: `'amount_usd' must be an amount in dollars, such as 250 or "99.95"; null takes the budget back.`,
    });
  return { project, period, amountNano, hard, alertAt: alertAt ?? null, callbackUrl: callbackUrl ?? null };
}
