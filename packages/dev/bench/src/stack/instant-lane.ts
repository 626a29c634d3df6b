import type { CallLane, LaneAnswer, OwnLanes } from "@slowboat/lanes";
import { completion } from "./completion.ts";

/**
 * A lane in place of OpenAI's that answers at once, inside the process that asks, with a completion of `contentChars` characters. That process answers
 * any message from its parent with what it served so far.
 */
export function instantLanes(contentChars: number): OwnLanes {
  const sentence = "The cargo crossed by night. ";
  const body = completion(sentence.repeat(Math.ceil(contentChars / sentence.length)).slice(0, contentChars));
  let served = 0;
  const answer = async ({ attemptId }: { readonly attemptId: string }): Promise<LaneAnswer> => {
    served++;
    return { kind: "answered", attemptId, statusCode: 200, body, requestId: "req_instant" };
  };
  const lane: CallLane = { id: "openai", account: "instant", emulated: true, shape: "call", call: answer, stream: answer };
  process.on("message", () => process.send?.({ served }));
  return () => [lane];
}
