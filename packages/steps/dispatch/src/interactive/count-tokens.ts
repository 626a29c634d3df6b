import type { LaneId } from "@slowboat/contract";
import { fault } from "@slowboat/kernel";
import type { Lane, LimitHeaders } from "@slowboat/lanes";
import { endingOf } from "./ending.ts";

/** A message whose tokens are to be counted. */
export interface CountRequest {
  readonly model: string;
  /** Raw JSON text. */
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The provider's status and raw body. */
export interface CountReply {
  readonly statusCode: number;
  readonly body: string;
  readonly emulated: boolean;
  readonly retryAfterMs: number | null;
  readonly limits: LimitHeaders;
}

/** Passes a count on to the provider that knows; a fault where this installation has none. */
export async function countTokens(
  lanes: ReadonlyMap<LaneId, Lane>,
  request: CountRequest,
  call: { readonly id: string; readonly scale: number },
): Promise<CountReply> {
  const lane = lanes.get("anthropic");
  if (lane?.shape !== "call" || lane.count === undefined) {
    throw fault("lane-unavailable", { message: "Tokens are counted by the provider, and this installation has no Anthropic account." });
  }
  const answer = await lane.count({ attemptId: call.id, endpoint: "/v1/messages", ...request }, new AbortController().signal);
  const ending = endingOf(answer, call.scale);
  // Nothing was charged, so a lost answer may simply be asked for again.
  if (ending.fault !== null) throw answer.kind === "unknown" ? fault("provider-failed", { inside: answer.code }) : ending.fault;
  const { statusCode, body, retryAfterMs, limits } = ending;
  return { statusCode, body, emulated: lane.emulated, retryAfterMs, limits };
}
