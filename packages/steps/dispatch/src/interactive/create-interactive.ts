import { fault, newId } from "@slowboat/kernel";
import { createPromptTraffic } from "../prompt-cache/traffic.ts";
import { debouncedBell } from "./bell.ts";
import { type CountReply, type CountRequest, countTokens } from "./count-tokens.ts";
import type { CallHouse, InteractiveDeps } from "./house.ts";
import { CALLS_MAX, laneBoard } from "./lane-board.ts";
import { openCall } from "./open-call.ts";
import { pursue } from "./pursue.ts";
import type { InteractiveReply, InteractiveRequest } from "./request.ts";
import { interactiveWrites } from "./writes.ts";

/** Runs calls whose callers wait. */
export interface Interactive {
  /**
   * Answers one call; `signal` is the caller's line. Throws the fault of a call that was not accepted. A caller who hangs up does
   * not stop what may already be paid for: it is heard to its end, within the lane's own bound, and saved.
   */
  run(request: InteractiveRequest, signal: AbortSignal): Promise<InteractiveReply>;
  /** Counts a message's tokens at the provider: free, and nothing is written. */
  count(request: CountRequest): Promise<CountReply>;
  /** Calls in flight. */
  inFlight(): number;
  /** Waits for calls in flight and the last bell. */
  close(): Promise<void>;
}

/**
 * A ring of the settle bell costs Postgres many times what a settlement does, and a larger chunk settles cheaper. So a lone call's is settled at
 * once, and under load it is the sweep of the results service that keeps up.
 */
const SETTLE_PACE = { soonMs: 20, apartMs: 1000 };

/** Makes the runner of one process: its group commits, its view of the lanes and its bell. */
export function createInteractive(deps: InteractiveDeps): Interactive {
  const { clock, rng } = deps.time;
  const bell = debouncedBell(() => deps.queue.ring("settle", [{ dispatchId: null }]), SETTLE_PACE);
  let running = 0;
  const onIdle: (() => void)[] = [];
  const ended = (): void => {
    if (--running === 0) for (const idle of onIdle.splice(0)) idle();
  };
  const track = (work: Promise<unknown>): void => {
    running++;
    work.then(ended, ended);
  };
  const house: CallHouse = {
    ...deps,
    prompts: createPromptTraffic(),
    board: laneBoard(deps.lanes, deps.book, clock),
    write: interactiveWrites(deps, clock),
    settleSoon: bell.ring,
    track,
  };
  const run = async (request: InteractiveRequest, signal: AbortSignal): Promise<InteractiveReply> => {
    if (house.board.inFlight() >= CALLS_MAX)
      throw fault("lane-unavailable", { message: "Too many calls are open; try again shortly.", retryAfterMs: 1_000 });
    const opened = await openCall(house, request);
    return "reply" in opened ? opened.reply : await pursue(house, opened.course, signal);
  };
  return {
    run: (request, signal) => {
      const work = run(request, signal);
      track(work);
      return work;
    },
    count: (request) => countTokens(deps.lanes, request, { id: newId("request", clock.real(), rng), scale: clock.scale }),
    inFlight: () => house.board.inFlight(),
    close: async () => {
      if (running > 0) await new Promise<void>((idle) => onIdle.push(idle));
      await bell.close();
    },
  };
}
