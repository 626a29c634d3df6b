import type { Decision, LaneId } from "@slowboat/contract";
import { assert, type Rng } from "@slowboat/kernel";
import type { CallLane, Lane } from "@slowboat/lanes";
import type { TriedLane } from "@slowboat/plan";
import type { PriceBook } from "@slowboat/pricing";
import type { Queue } from "@slowboat/queue";
import type { Clock, Logger } from "@slowboat/runtime";
import type { NewAttempt, NewJob, OpenedCall, Store } from "@slowboat/store";
import type { PromptTraffic } from "../prompt-cache/traffic.ts";
import type { LaneBoard } from "./lane-board.ts";
import type { InteractiveRequest } from "./request.ts";
import type { SemanticCalls } from "./semantic-calls.ts";
import type { Write } from "./writes.ts";

/** What an interactive call stands on. */
export interface InteractiveDeps {
  readonly store: Store;
  /** `CALL_WRITERS` connections for what every call writes and nothing else waits behind, into the call log; without it calls are filed at once. */
  readonly callStore?: Store;
  readonly queue: Queue;
  readonly lanes: ReadonlyMap<LaneId, Lane>;
  readonly book: PriceBook;
  readonly time: { readonly clock: Clock; readonly rng: Rng };
  readonly logger: Logger;
  /** Looks up questions that mean the same; absent where nothing is reused so. */
  readonly semantic?: SemanticCalls;
}

/** What every call of a process shares. */
export interface CallHouse extends InteractiveDeps {
  readonly board: LaneBoard;
  /** What this process has seen of prompt prefixes. */
  readonly prompts: PromptTraffic;
  /** Resolves when the write is durable. */
  write(write: Write): Promise<void>;
  settleSoon(): void;
  /** Keeps the process from closing before this work has ended. */
  track(work: Promise<unknown>): void;
}

/** Where a call stands between its attempts. */
export interface Course {
  readonly request: InteractiveRequest;
  readonly job: NewJob;
  /** The call as it was opened. */
  readonly first: OpenedCall;
  readonly tried: TriedLane[];
  attempt: NewAttempt;
  decision: Decision;
}

/** The lane that a decision names; every one that can be chosen for a waiting caller answers calls. */
export function laneOf(house: CallHouse, id: LaneId): CallLane {
  const lane = house.lanes.get(id);
  assert(lane?.shape === "call", `${id} is a lane that answers while one waits`);
  return lane;
}
