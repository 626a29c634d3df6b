import type { LaneId } from "@slowboat/contract";
import type { Rng } from "@slowboat/kernel";
import type { LanePace } from "@slowboat/lanes";
import type { PriceBook } from "@slowboat/pricing";
import type { Queue } from "@slowboat/queue";
import type { Clock, Logger } from "@slowboat/runtime";
import type { Store } from "@slowboat/store";
import type { Meter } from "./meter.ts";
import type { PromptTraffic } from "./prompt-cache/traffic.ts";
import type { Quotas } from "./quota/quotas.ts";
import type { Shadow } from "./shadow.ts";

/** A lane as the planner may use it. */
export interface LaneOffer {
  readonly id: LaneId;
  readonly account: string;
  readonly emulated: boolean;
  /** Calls at a time; for a batch lane, batches. */
  readonly concurrency: number;
  /** How its account and models stand now; absent where nothing is paced here. */
  readonly pace?: (() => LanePace) | undefined;
}

/** What planning needs of the world. */
export interface PlanDeps {
  readonly store: Store;
  readonly queue: Queue;
  readonly book: PriceBook;
  readonly lanes: readonly LaneOffer[];
  readonly meter: Meter;
  readonly time: {
    readonly clock: Clock;
    readonly rng: Rng /** Machine ms between two looks. */;
    readonly tickMs: number /** Pool tokens a machine second. */;
    readonly poolTokensPerSecond: number;
  };
  readonly logger: Logger;
  /** Its enqueued-token quotas. */
  readonly quotas: Quotas;
  /** A second policy that watches; absent for none. */
  readonly shadow?: Shadow | undefined;
  /** What this process has seen of prompt prefixes. */
  readonly prompts: PromptTraffic;
}
