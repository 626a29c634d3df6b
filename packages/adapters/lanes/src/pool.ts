import type { Agent } from "undici";
import { accountOf } from "./account.ts";
import { BOUNDS } from "./bounds.ts";
import { callLane } from "./call-lane.ts";
import { createPaces, type Paces } from "./paces.ts";
import type { CallLane } from "./port.ts";
import { poster } from "./poster.ts";
import { createAgent } from "./wire.ts";

/** Where the self-hosted pool answers over HTTP. */
export interface PoolOptions {
  readonly baseURL: string;
  readonly timeoutMs?: number;
  readonly agent?: Agent;
  /** Shared by every lane of the process; without it the lane paces itself alone. */
  readonly paces?: Paces;
}

/** The self-hosted pool: embeddings and zero-shot classification. It has no key, no streams and no provider to pay. */
export function createPoolLane(options: PoolOptions): CallLane {
  const base = options.baseURL.replace(/\/+$/, "");
  return callLane(options.agent ?? createAgent(), {
    id: "pool",
    account: accountOf("pool", { apiKey: "", baseURL: base, emulated: false }),
    emulated: false,
    timeoutMs: options.timeoutMs ?? BOUNDS.controlMs,
    endpoints: ["/v1/embeddings", "/v1/classifications"],
    streaming: [],
    tier: null,
    paces: options.paces ?? createPaces(),
    post: poster(base, {}),
    assembler: () => ({ push: () => true, end: () => ({ kind: "cut" }) }),
  });
}
