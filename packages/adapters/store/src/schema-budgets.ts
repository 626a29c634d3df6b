import { boolean, doublePrecision, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { instant, nano } from "./columns.ts";

/** What may be spent and what keys may do; see `schema.ts`. */

export const budget = pgTable("budget", {
  id: text("id").primaryKey(),
  tenantId: text("tenant_id").notNull(),
  projectId: text("project_id"),
  period: text("period").notNull(),
  amountNano: nano("amount_nano"),
  hard: boolean("hard").notNull(),
  alertAt: doublePrecision("alert_at"),
  callbackUrl: text("callback_url"),
  keyId: text("key_id"),
  createdAtMs: instant("created_at_ms").notNull(),
  changedAtMs: instant("changed_at_ms").notNull(),
});

export const budgetEntry = pgTable(
  "budget_entry",
  {
    budgetId: text("budget_id").notNull(),
    period: text("period").notNull(),
    seq: nano("seq").notNull(),
    kind: text("kind").notNull(),
    subjectId: text("subject_id").notNull(),
    attemptId: text("attempt_id"),
    heldNano: nano("held_nano").notNull(),
    spentNano: nano("spent_nano").notNull(),
    heldAfterNano: nano("held_after_nano").notNull(),
    spentAfterNano: nano("spent_after_nano").notNull(),
    atMs: instant("at_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.budgetId, t.period, t.seq] })],
);

export const budgetOpen = pgTable("budget_open", {
  subjectId: text("subject_id").primaryKey(),
  lookRealMs: instant("look_real_ms"),
});

export const budgetAlert = pgTable(
  "budget_alert",
  {
    budgetId: text("budget_id").notNull(),
    period: text("period").notNull(),
    usedNano: nano("used_nano").notNull(),
    amountNano: nano("amount_nano").notNull(),
    atMs: instant("at_ms").notNull(),
  },
  (t) => [primaryKey({ columns: [t.budgetId, t.period] })],
);

export const keyAllowance = pgTable("key_allowance", {
  keyId: text("key_id").primaryKey(),
  requests: doublePrecision("requests").notNull(),
  tokens: doublePrecision("tokens").notNull(),
  atRealMs: instant("at_real_ms").notNull(),
});

export const keyCall = pgTable("key_call", {
  id: text("id").primaryKey(),
  keyId: text("key_id").notNull(),
  untilRealMs: instant("until_real_ms").notNull(),
});
