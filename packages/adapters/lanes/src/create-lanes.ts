import type { LaneId } from "@slowboat/contract";
import { createAnthropicLane } from "./anthropic.ts";
import { createAnthropicBatchLane } from "./anthropic-batch.ts";
import { BOUNDS } from "./bounds.ts";
import { createOpenAiLane } from "./openai.ts";
import { createOpenAiBatchLane } from "./openai-batch.ts";
import type { OpenAiAccount } from "./openai-client.ts";
import { createPaces, type PaceSettings } from "./paces.ts";
import { parking } from "./parking.ts";
import { createPoolLane } from "./pool.ts";
import type { Lane } from "./port.ts";
import { createAgent } from "./wire.ts";

/** Which accounts this installation has. `baseURL` as the official SDKs take it: OpenAI's ends in `/v1`, Anthropic's does not. */
export interface LaneSettings {
  readonly openai?: { readonly apiKey: string; readonly baseURL?: string | undefined } | undefined;
  readonly anthropic?: { readonly apiKey: string; readonly baseURL?: string | undefined } | undefined;
  /** Providers that speak OpenAI's API, by the operator's configuration; `batch` where they have its files and batches. */
  readonly compatible?: readonly (Omit<OpenAiAccount, "emulated"> & { readonly provider: string; readonly batch: boolean })[];
  readonly poolUrl?: string | undefined;
  /** True when the base URLs are the emulator's. */
  readonly emulated: boolean;
  /** Job time: the emulator's hours pass so much faster, and so do the bounds on a call to it. Without it, a real provider's. */
  readonly clock?: PaceSettings["clock"];
  /** How calls are paced; what is left out is bounded as `BOUNDS` has it. */
  readonly pace?: Partial<Omit<PaceSettings, "clock">>;
}

/** A call's overhead on this machine does not shrink with the provider's time. */
const LEAST_MS = 30_000;

/** The lanes of this installation, over one pool of sockets. A provider without a key has none. */
export function createLanes(settings: LaneSettings): ReadonlyMap<LaneId, Lane> {
  const agent = createAgent();
  const paces = createPaces({ ...settings.pace, ...(settings.clock === undefined ? {} : { clock: settings.clock }) });
  const bound = (ms: number) => (): number => Math.max(LEAST_MS, ms / (settings.clock?.scale ?? 1));
  const lanes: Lane[] = [];
  if (settings.openai) {
    const account = {
      apiKey: settings.openai.apiKey,
      baseURL: settings.openai.baseURL ?? "https://api.openai.com/v1",
      emulated: settings.emulated,
      agent,
      paces,
    };
    lanes.push(
      createOpenAiLane({ ...account, timeoutMs: bound(BOUNDS.callMs) }),
      createOpenAiLane({ ...account, flex: true, timeoutMs: bound(BOUNDS.flexMs) }),
      parking(createOpenAiBatchLane(account), paces),
    );
  }
  if (settings.anthropic) {
    const account = {
      apiKey: settings.anthropic.apiKey,
      baseURL: settings.anthropic.baseURL ?? "https://api.anthropic.com",
      emulated: settings.emulated,
      agent,
      paces,
    };
    lanes.push(createAnthropicLane({ ...account, timeoutMs: bound(BOUNDS.callMs) }), parking(createAnthropicBatchLane(account), paces));
  }
  for (const one of settings.compatible ?? []) {
    const account = { ...one, emulated: false, agent, paces };
    lanes.push(createOpenAiLane(account));
    if (one.batch) lanes.push(parking(createOpenAiBatchLane(account), paces));
  }
  if (settings.poolUrl !== undefined) lanes.push(createPoolLane({ baseURL: settings.poolUrl, agent, paces }));
  return new Map(lanes.map((lane) => [lane.id, lane]));
}
