import { fault } from "@slowboat/kernel";
import type { Ending } from "./ending.ts";
import { isErrorEvent, isLastEvent } from "./events.ts";
import { pump } from "./pump.ts";

/**
 * Hands a stream's events on as they come, and holds back the last one until the answer is committed. Throws the fault of a
 * stream that broke off, unless the provider's own error event has already said so. A reader that leaves early loses nothing
 * but its view: the lane hears the rest, and the commit goes on. `whole` says at the end whether a translation could say all of it.
 */
export async function* followStream(
  events: AsyncIterable<string>,
  commit: Promise<Ending>,
  whole: () => boolean = () => true,
): AsyncGenerator<string, void, undefined> {
  const held: string[] = [];
  let saidError = false;
  for await (const event of pump(events)) {
    if (isErrorEvent(event)) saidError = true;
    if (held.length > 0 || isLastEvent(event)) held.push(event);
    else yield event;
  }
  const ending = await commit;
  if (ending.fault !== null || ending.error !== null) {
    yield* held.filter(isErrorEvent);
    if (!saidError) throw ending.fault ?? fault("provider-failed");
    return;
  }
  // What the provider finished and we could not say to its end must not look finished.
  if (!whole()) throw fault("provider-failed", { inside: "the translated stream has no end" });
  yield* held;
}
