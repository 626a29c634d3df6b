import type { Endpoint, LaneId } from "@slowboat/contract";
import { type PriceBook, resolveModel } from "@slowboat/pricing";
import type { SimJob } from "../job.ts";
import { LANES } from "../spec.ts";

/** A job as an installation stored it: one line of JSON. Instants in Unix ms of job time. */
export interface StoredArrival {
  readonly tenant: string;
  readonly model: string;
  readonly endpoint: Endpoint;
  readonly accepted_at_ms: number;
  readonly deadline_at_ms: number | null;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly allow: readonly LaneId[] | null;
  readonly deny: readonly LaneId[] | null;
}

/** The arrivals that the simulator can live through, and how many it cannot: models without a price, and jobs that none of its lanes may run in real time. */
export function toJobs(book: PriceBook, arrivals: readonly StoredArrival[]): { readonly jobs: SimJob[]; readonly skipped: number } {
  const jobs: SimJob[] = [];
  for (const one of [...arrivals].sort((a, b) => a.accepted_at_ms - b.accepted_at_ms)) {
    const providers = (resolveModel(book, one.model)?.candidates ?? []).map(({ provider }) => provider);
    const lanes = LANES.filter((lane) => providers.some((provider) => lane === provider || lane.startsWith(`${provider}-`)));
    const denied = lanes.filter((lane) => one.deny?.includes(lane) || (one.allow !== null && !one.allow.includes(lane)));
    const realtime = lanes.some((lane) => (lane === "openai" || lane === "anthropic") && !denied.includes(lane));
    if (!realtime) continue;
    jobs.push({
      no: jobs.length,
      tenant: one.tenant,
      model: one.model,
      endpoint: one.endpoint,
      arrivedAtMs: one.accepted_at_ms,
      deadlineAtMs: one.deadline_at_ms,
      inputTokens: one.input_tokens,
      outputTokens: one.output_tokens,
      deny: denied.length === 0 ? null : denied,
      slackMs: one.deadline_at_ms === null ? null : one.deadline_at_ms - one.accepted_at_ms,
    });
  }
  return { jobs, skipped: arrivals.length - jobs.length };
}
