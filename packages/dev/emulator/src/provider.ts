import type { Keep } from "./keep.ts";
import type { Asking } from "./model/asking.ts";
import { diceOf, digest, slotDice } from "./model/dice.ts";
import { createEmbedder } from "./model/embedding.ts";
import { createFaults, type Faults, type Quirks } from "./model/faults.ts";
import { chargeNanoUsd } from "./model/prices.ts";
import { createPromptCache } from "./model/prompt-cache.ts";
import { createTokenizer } from "./model/tokens.ts";
import { drawPlan, drawWait, type Latency, type Plan, type Wait } from "./model/turnaround.ts";
import type { Answered, Charge, Provider } from "./model/types.ts";
import { apply, createWorld, type World, type WorldEvent } from "./model/world.ts";

/** How the emulator behaves where the real providers differ or were not seen. */
export interface Behaviour {
  readonly seed: number;
  readonly latency: Latency;
  /** Every batch takes exactly so long, instead of a draw. */
  readonly batchTurnaroundMs: number | null;
  /** Batches that reach a provider within the same so many ms (counted from zero) find the same queue there; `null` for a draw of its own for each. */
  readonly luckSlotMs: number | null;
  /** Chance that a flex request is refused for lack of capacity. */
  readonly flexRefusals: number;
  /** How many bad lines a failed batch lists: the first only, or all. */
  readonly listedErrors: "one" | "all";
  /** Whether the counters of a message batch move before it ends. */
  readonly countersMove: boolean;
  /** Share of batch lines that find a prefix which the batch pool holds. All of them did where a priming batch was observed; a range of 30 to 98 % is quoted. */
  readonly batchCacheHits: number;
  /** Prompt tokens that may wait in batches of one model. */
  readonly enqueuedTokenLimit: number;
  /** Requests that may wait in message batches. */
  readonly messageQueueLimit: number;
  /** Synchronous requests and tokens a minute of job time for one model, enforced; null: shown and never reached. */
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
}

/** The provider's memory, dice and clock: what the routes and the batches work with. */
export interface ProviderCore {
  readonly behaviour: Behaviour;
  readonly world: World;
  readonly keep: Keep;
  readonly faults: Faults;
  nowMs(): number;
  /** Journals an event, then lets the world change. `extra` replaces the event's charges by texts encoded before. */
  commit(event: WorldEvent, encodedCharges?: readonly string[]): void;
  /** A fresh id of so many hex digits; never the same twice, also after a restart. */
  serial(kind: string, digits: number): string;
  /** Who asks, as the answering functions want it. `begins` is the delay until the response begins. */
  asking(input: { serial: string; beginsMs?: number; line?: { batchId: string; index: number; atMs: number; seesBatch: boolean } }): Asking;
  wait(serial: string, kind: "text" | "flex" | "embedding", outputTokens: number): Wait;
  plan(id: string, lines: number, quirks?: Quirks): Plan;
  /** Keeps a file or batch from reads until an instant, as a replica that lags behind does. Forgotten at a restart. */
  hide(id: string, untilMs: number): void;
  isHidden(id: string): boolean;
}

export function createCore(behaviour: Behaviour, keep: Keep, now: () => number): ProviderCore {
  const { seed } = behaviour;
  const world = createWorld();
  keep.replay(world);
  const tokens = createTokenizer();
  const embed = createEmbedder(seed);
  const cache = createPromptCache();
  const hidden = new Map<string, number>();
  let serials = 0;
  let latestMs = 0;
  const nowMs = (): number => {
    latestMs = Math.max(latestMs, Math.floor(now()));
    return latestMs;
  };
  const commit = (event: WorldEvent, encodedCharges?: readonly string[]): void => {
    const line =
      encodedCharges === undefined
        ? JSON.stringify(event)
        : `${JSON.stringify({ ...event, charges: undefined }).slice(0, -1)},"charges":[${encodedCharges.join(",")}]}`;
    keep.append(line);
    apply(world, event);
  };
  commit({ kind: "booted", boots: world.boots + 1 });
  return {
    behaviour,
    world,
    keep,
    faults: createFaults(diceOf(seed, "faults")),
    nowMs,
    commit,
    serial: (kind, digits) => {
      const from = `${seed}|${world.boots}|${kind}|${serials++}`;
      return (digest(from) + digest(`${from}+`)).slice(0, digits);
    },
    asking: ({ serial, beginsMs = 0, line }) => {
      const at = line?.atMs ?? nowMs();
      const mayRead = line === undefined || diceOf(seed, "batch-cache", line.batchId, line.index).float() < behaviour.batchCacheHits;
      const time = { nowMs: at, beginsAtMs: at + beginsMs, mayRead, batchId: line?.batchId ?? null, seesBatch: line?.seesBatch ?? false };
      return { seed, nowMs: at, serial, time, cache, tokens, embed, inBatch: line !== undefined };
    },
    wait: (serial, kind, outputTokens) => drawWait(diceOf(seed, "wait", serial), kind, outputTokens, behaviour.latency),
    plan: (id, lines, quirks = {}) => {
      const { luckSlotMs } = behaviour;
      const dice =
        luckSlotMs === null ? diceOf(seed, "plan", id) : slotDice(seed, id.startsWith("msgbatch_") ? "anthropic" : "openai", nowMs(), luckSlotMs);
      const drawn = drawPlan(dice, lines, world.regime, behaviour.latency, behaviour.batchTurnaroundMs);
      const validateMs = quirks.validateMs ?? drawn.validateMs;
      // What is validated late is done late.
      const finishMs = drawn.finishMs === null ? null : drawn.finishMs + Math.max(0, validateMs - drawn.validateMs);
      return quirks.hangs === undefined
        ? { ...drawn, validateMs, finishMs }
        : { ...drawn, validateMs, finishMs: null, doneShare: quirks.hangs.doneShare };
    },
    hide: (id, untilMs) => void hidden.set(id, untilMs),
    isHidden: (id) => {
      const untilMs = hidden.get(id);
      if (untilMs !== undefined && nowMs() >= untilMs) hidden.delete(id);
      return hidden.has(id);
    },
  };
}

/** The invoice line of an answer. */
export function chargeOf(
  answered: Answered,
  at: {
    nowMs: number;
    provider: Provider;
    endpoint: string;
    requestId: string;
    clientRequestId?: string | null;
    batchId?: string;
    customId?: string;
  },
): Charge {
  return {
    atMs: at.nowMs,
    provider: at.provider,
    model: answered.model,
    tier: answered.tier,
    endpoint: at.endpoint,
    requestId: at.requestId,
    clientRequestId: at.clientRequestId ?? null,
    batchId: at.batchId ?? null,
    customId: at.customId ?? null,
    usage: answered.usage,
    nanoUsd: chargeNanoUsd(answered.model, answered.tier, answered.classes).toString(),
  };
}
