import type { HttpBindings } from "@hono/node-server";
import type { BlobStore } from "@slowboat/blob";
import type { Caller, House, JobDesk } from "@slowboat/intake";
import type { Rng } from "@slowboat/kernel";
import type { Snapshot } from "@slowboat/plan";
import type { PriceBook } from "@slowboat/pricing";
import type { Queue } from "@slowboat/queue";
import type { Clock, Logger } from "@slowboat/runtime";
import type { Store } from "@slowboat/store";
import type { Context, Hono } from "hono";
import type { BodyShare } from "./body-budget.ts";

/** What a request carries once it is known: its id, and who calls. `caller` and the share of its body stand on every path below /v1. */
export interface AppEnv {
  readonly Bindings: HttpBindings;
  /** `limits`: headers about the caller's own limits, where its key has any; they stand in place of the provider's. */
  readonly Variables: { requestId: string; caller: Caller; body: BodyShare; limits?: Readonly<Record<string, string>> };
}

export type App = Hono<AppEnv>;

/** Lets requests in within the limits of their keys. */
export interface KeyLimiter {
  /** Counts a request, and a call until its answer has left; throws `rate-limited` with the time after which it may come. Without limits it is nothing. */
  admit(c: Context<AppEnv>, ask: { readonly tokens: number; readonly call: boolean }): Promise<void>;
  close(): Promise<void>;
}

/** What every route gets. */
export interface AppDeps {
  readonly store: Store;
  readonly queue: Queue;
  readonly blob: BlobStore;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly house: House;
  readonly book: PriceBook;
  readonly desk: JobDesk;
  readonly limiter: KeyLimiter;
  /** The lanes as the planner sees them, for quotes and promises. */
  readonly sight: () => Promise<Snapshot>;
  /** Jobs that may be due and not planned yet, before work for later is refused; `LIMITS.dueBacklog` where it is absent. */
  readonly backlogMax?: number | undefined;
  /** Checks a presented API key. */
  readonly verify: (presented: string | undefined) => Promise<Caller>;
}

/** Adds a family of routes to the app. */
export type Mount = (app: App, deps: AppDeps) => void;

/** How emulated answers and costs are labelled, everywhere. */
export const EMULATED_LABEL = "emulated provider: no money is spent";
