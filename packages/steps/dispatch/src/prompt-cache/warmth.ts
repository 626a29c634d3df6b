import type { CacheTtl, Endpoint, PromptMarks } from "@slowboat/contract";
import type { LaneAnswer } from "@slowboat/lanes";
import { CACHE_TTL_MS } from "@slowboat/reuse";
import { type DispatchRow, endPriming, keepWarm, readMarks } from "@slowboat/store";
import type { LaneDeps } from "../deps.ts";
import { touchedCache } from "./gate.ts";

/** Looks at the answers of a batch for what they say of the prompt cache. */
interface Warmth {
  look(answer: LaneAnswer): void;
  /** Writes down which prefixes the provider holds, and until when. */
  keep(): Promise<void>;
}

/**
 * Learns from a batch's answers which marked prefixes the provider holds now: one answer that wrote or read a prefix is enough for it. The
 * lifetime counts from the start of that line: OpenAI's answers say when, of Anthropic's only the batch's own time is known, and the
 * middle of it is taken.
 */
export async function warmthOf(deps: LaneDeps, dispatch: DispatchRow): Promise<Warmth> {
  const marks = new Map<string, PromptMarks>();
  for (const { attemptId, promptCache } of await readMarks(deps.store.sql, dispatch.id)) {
    const read = JSON.parse(promptCache) as PromptMarks;
    if (read.breakpoints.length > 0) marks.set(attemptId, read);
  }
  const nowMs = deps.time.clock.job();
  const middleMs = ((dispatch.submittedAtMs ?? nowMs) + nowMs) / 2;
  const found = new Map<string, { ttl: CacheTtl; atMs: number }>();
  return {
    look: (answer) => {
      const breakpoints = marks.get(answer.attemptId)?.breakpoints ?? [];
      if (answer.kind !== "answered" || breakpoints.every(({ key }) => found.has(key))) return;
      if (!touchedCache(answer.body, dispatch.endpoint as Endpoint)) return;
      const atMs = Math.min(nowMs, startOf(answer.body) ?? middleMs);
      for (const { key, ttl } of breakpoints) if (!found.has(key)) found.set(key, { ttl, atMs });
    },
    keep: async () => {
      const { lane, account, model, id: dispatchId } = dispatch;
      const rows = [...found].map(([key, { ttl, atMs }]) => ({
        lane,
        account,
        model,
        key,
        dispatchId,
        ttl,
        warmUntilMs: Math.floor(atMs + CACHE_TTL_MS[ttl]),
      }));
      await keepWarm(deps.store.sql, rows, nowMs);
    },
  };
}

/** When the provider says it began the answer (Unix ms), where it does. */
function startOf(body: string): number | null {
  const { created, created_at: createdAt } = JSON.parse(body) as { created?: unknown; created_at?: unknown };
  const seconds = typeof created === "number" ? created : typeof createdAt === "number" ? createdAt : null;
  return seconds === null ? null : seconds * 1000;
}

/** A batch has ended: jobs that waited for what it was to prime are planned anew. */
export async function endPrimed(deps: LaneDeps, dispatch: DispatchRow): Promise<void> {
  const freed = await deps.store.begin((tx) => endPriming(tx, dispatch.id, deps.time.clock.job()));
  if (freed === 0) return;
  await deps.queue.ring("plan", [{}]);
  deps.logger.info({ dispatchId: dispatch.id, lane: dispatch.lane, jobs: freed }, "prefix-primed");
}
