import type { Endpoint, Fallback, LaneId, Surface } from "@slowboat/contract";
import type { Fault } from "@slowboat/kernel";
import type { LimitHeaders } from "@slowboat/lanes";
import type { ResolvedModel } from "@slowboat/pricing";
import type { ReuseWish } from "@slowboat/reuse";

/** A call whose caller waits on the line. */
export interface InteractiveRequest {
  readonly tenantId: string;
  readonly keyId: string;
  readonly allowUnpriced: boolean;
  /** True where a budget counts it: the call is opened only where its rescue price fits. */
  readonly budgeted: boolean;
  /** What is held for its output (tokens) where it sets no limit, and how a refused caller is told of it; absent where it does, or no budget counts it. */
  readonly heldOutput?: { readonly tokens: number; readonly note: string } | undefined;
  readonly surface: Surface;
  readonly endpoint: Endpoint;
  /** What the name in the body stands for. */
  readonly model: ResolvedModel;
  /** Raw JSON text of the request. */
  readonly body: string;
  /** The same, to look at. */
  readonly value: Readonly<Record<string, unknown>>;
  /** Headers of the caller's that the provider must see. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Job time; `null` is as fast as the allowed lanes go. At most 10 minutes ahead. */
  readonly deadlineAtMs: number | null;
  readonly allow: readonly LaneId[] | null;
  readonly deny: readonly LaneId[] | null;
  readonly cache: ReuseWish;
  /** `flex`: the cheap tier first, real time when it has no room. */
  readonly tier: "flex" | null;
  readonly maxOutputTokens: number | null;
  readonly stream: boolean;
  /** Models that may answer where the asked one cannot, as intake judged them; empty for none. */
  readonly fallbacks: readonly Fallback[];
  /** How an alias was routed, as the job keeps it; `null` or absent for a pinned model. */
  readonly route?: string | null;
}

/** Who answered, as the caller is told in headers. */
interface Answered {
  readonly jobId: string;
  readonly lane: LaneId;
  readonly emulated: boolean;
  /** The exact model that answered where it was not the one asked for. */
  readonly fallback: string | null;
  /** The provider's own request id. */
  readonly requestId: string | null;
  /** The provider's headers about its limits; empty where it was not asked. */
  readonly limits: LimitHeaders;
}

/**
 * What the caller gets.
 * - `answer`: status and body, the provider's own, or in the asked API's shape where a model behind the other one stood in; committed by
 *   the time it is returned. `cachedFrom` names the job whose
 *   answer is given again, `semantic` its entry where that job asked something else that means the same, `retryAfterMs` the provider's wish with a refusal
 * - `failed`: the job ended without an answer for the caller; the fault says why
 * - `stream`: raw server-sent events; committed before the last of them. Ends with a thrown fault when the provider broke off
 */
export type InteractiveReply =
  | (Answered & {
      readonly kind: "answer";
      readonly statusCode: number;
      readonly body: string;
      readonly cachedFrom: string | null;
      readonly semantic?: { readonly entry: string; readonly score: number };
      readonly retryAfterMs: number | null;
    })
  | (Answered & { readonly kind: "failed"; readonly fault: Fault })
  | (Answered & {
      readonly kind: "stream";
      readonly events: AsyncGenerator<string, void, undefined>;
      readonly cachedFrom?: string;
      readonly semantic?: { readonly entry: string; readonly score: number };
    });
