import type { BlobStore } from "@slowboat/blob";
import type { LaneId } from "@slowboat/contract";
import type { Rng } from "@slowboat/kernel";
import type { Lane } from "@slowboat/lanes";
import type { Queue } from "@slowboat/queue";
import type { Clock, Logger } from "@slowboat/runtime";
import type { Store } from "@slowboat/store";
import type { Meter } from "./meter.ts";
import type { PromptGate } from "./prompt-cache/gate.ts";

/** What running a lane needs of the world. */
export interface LaneDeps {
  readonly store: Store;
  readonly queue: Queue;
  readonly blob: BlobStore;
  readonly lanes: ReadonlyMap<LaneId, Lane>;
  readonly time: { readonly clock: Clock; readonly rng: Rng };
  readonly meter: Meter;
  /** Where requests with one prompt prefix wait for the first of them; one for all chunks of a process. */
  readonly promptGate: PromptGate;
  readonly logger: Logger;
}
