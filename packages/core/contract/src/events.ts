/** What a webhook tells: thin, ids and states only. The outer shape is the one that OpenAI's webhook helpers unwrap. */
export type EventType = "job.completed" | "job.failed" | "job.cancelled" | "batch.completed" | "batch.failed" | "batch.cancelled" | "budget.alert";

export interface EventFacts {
  readonly eventId: string;
  readonly type: EventType;
  readonly createdAtMs: number;
  readonly subjectId: string;
  /** Grows with every change of the subject: a receiver drops what is older than what it has seen. */
  readonly version: number;
  readonly customId?: string | null;
  /** The caller's metadata as JSON text. */
  readonly metadata?: string | null;
  readonly deadlineMet?: boolean | null;
  /** The budget that reached its alert share, in dollars as text. */
  readonly budget?: {
    readonly name: string;
    readonly period: string;
    readonly renewsAtMs: number | null;
    readonly usedUsd: string;
    readonly amountUsd: string;
  };
}

/** The body of a webhook, as JSON text. `created_at` is in Unix seconds of job time. */
export function eventPayload(facts: EventFacts): string {
  const data: Record<string, unknown> = { id: facts.subjectId, version: facts.version };
  if (facts.customId) data["custom_id"] = facts.customId;
  if (facts.deadlineMet !== undefined && facts.deadlineMet !== null) data["deadline_met"] = facts.deadlineMet;
  if (facts.metadata) data["metadata"] = JSON.parse(facts.metadata);
  if (facts.budget) {
    const { name, period, renewsAtMs, usedUsd, amountUsd } = facts.budget;
    const renews = renewsAtMs === null ? null : new Date(renewsAtMs).toISOString();
    Object.assign(data, { name, period, used_usd: usedUsd, amount_usd: amountUsd, renews_at: renews });
  }
  return JSON.stringify({ object: "event", id: facts.eventId, type: facts.type, created_at: Math.floor(facts.createdAtMs / 1000), data });
}
