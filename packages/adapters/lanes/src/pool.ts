import type { Agent } from "undici";
import { accountOf } from "./account.ts";
import { BOUNDS } from "./bounds.ts";
import { callLane } from "./call-lane.ts";
import type { CallLane } from "./port.ts";
import { createAgent } from "./wire.ts";

/** Where the self-hosted pool answers over HTTP. */
export interface PoolOptions {
  readonly baseURL: string;
  readonly timeoutMs?: number;
  readonly agent?: Agent;
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
    post: async (wire, path, body, { headers, signal }) => {
      const response = await wire.fetch(`${base}${path}`, { method: "POST", body, headers, signal });
      if (!response.ok) throw new Error(`the pool answered with status ${response.status}`);
      return response;
    },
    assembler: () => ({ push: () => true, end: () => ({ kind: "cut" }) }),
  });
}
