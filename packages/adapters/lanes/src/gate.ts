import type { Rng } from "@slowboat/kernel";
import {
  type Gate as Answer,
  admit,
  backlogMs,
  type Cost,
  type Limits,
  letOut,
  next,
  type Outcome,
  openPace,
  type PaceEvent,
  type PacePolicy,
  type PaceView,
  type Sign,
  viewOf,
} from "@slowboat/pace";
import { BOUNDS } from "./bounds.ts";

/** What a gate needs of its account and its process. */
export interface GateHouse {
  readonly policy: PacePolicy;
  readonly rng: Rng;
  readonly waitMsMax: number;
  /** Machine ms, monotonic. */
  nowMs(): number;
  /** Whether the account serves at all. */
  askAccount(nowMs: number): Answer;
  /** Lets a call through to the account; what it returns takes the account's answer. */
  passAccount(nowMs: number): (sign: Sign) => void;
}

/** How a call ended: as the pace wants it, or `parked` when the account refuses everything. */
export interface PassEnd {
  readonly outcome: Outcome | "parked";
  /** The provider's wish, in its own ms. */
  readonly wishMs?: number | null;
  readonly spent?: { readonly input: number; readonly output: number } | null;
}

/** Leave to send. `end` must be called once the call is over, streams read to their end; calling it again does nothing. */
export interface Pass {
  readonly kind: "go";
  heard(ok: boolean, limits: Limits): void;
  end(how: PassEnd): void;
}

/** Not sent: its turn would come too late, the breaker is open, or the account is parked. `aborted`: the caller gave up while waiting. */
export type Held =
  | { readonly kind: "held"; readonly code: "paced" | "circuit_open" | "account_parked"; readonly retryAfterMs: number }
  | { readonly kind: "aborted" };

/** The one way out to a model of an account, first come, first served. */
export interface Gate {
  /** `cost` is asked only where a limit counts tokens. */
  enter(cost: () => Cost, signal: AbortSignal): Pass | Held | Promise<Pass | Held>;
  view(): PaceView;
  /** True when nothing is in flight and nobody waits. */
  idle(): boolean;
  /** Looks again who may go: something changed outside. */
  look(): void;
}

interface Waiter {
  readonly cost: Cost;
  readonly untilMs: number;
  settle(outcome: Pass | Held): void;
}

const SMALLEST: Cost = { requests: 1, input: 0, output: 0 };

export function createGate(house: GateHouse): Gate {
  let state = openPace(house.policy);
  const waiting: Waiter[] = [];
  let timer: NodeJS.Timeout | null = null;

  const hear = (event: PaceEvent): void => {
    state = next(state, event, house.nowMs(), house.rng);
    look();
  };

  /** What stands between a call and the socket: the account first, then the model. */
  const ask = (cost: Cost, nowMs: number): Answer | { readonly kind: "parked"; readonly retryAfterMs: number } => {
    const account = house.askAccount(nowMs);
    if (account.kind === "open") return { kind: "parked", retryAfterMs: account.retryAfterMs };
    const model = admit(state, cost, nowMs);
    if (model.kind === "open" || account.kind === "go") return model;
    return { kind: "wait", ms: Math.max(account.ms, model.kind === "wait" ? model.ms : 0) };
  };

  const pass = (cost: Cost, nowMs: number): Pass => {
    const out = letOut(state, cost, nowMs);
    state = out.state;
    const { ticket } = out;
    const tellAccount = house.passAccount(nowMs);
    let over = false;
    return {
      kind: "go",
      heard: (ok, limits) => {
        if (!over) hear({ kind: "heard", ticket, ok, limits });
      },
      end: ({ outcome, wishMs = null, spent = null }) => {
        if (over) return;
        over = true;
        tellAccount(outcome === "parked" ? "failed" : outcome === "ok" || outcome === "refused" || outcome === "limited" ? "alive" : "silent");
        hear({ kind: "ended", ticket, outcome: outcome === "parked" ? "silent" : outcome, wishMs, spent });
      },
    };
  };

  /** Lets out who may go, in order; turns away who has waited too long or finds it closed; and comes back when the first may go. */
  function look(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    for (let head = waiting[0]; head !== undefined; head = waiting[0]) {
      const nowMs = house.nowMs();
      const answer = ask(head.cost, nowMs);
      if (answer.kind === "wait" && nowMs < head.untilMs) {
        timer = setTimeout(look, Math.min(answer.ms, head.untilMs - nowMs) + 1);
        return;
      }
      waiting.shift();
      head.settle(answer.kind === "go" ? pass(head.cost, nowMs) : heldBy(answer));
    }
  }

  const wait = (cost: Cost, signal: AbortSignal, nowMs: number): Promise<Pass | Held> => {
    const { promise, resolve } = Promise.withResolvers<Pass | Held>();
    const onAbort = (): void => {
      waiting.splice(waiting.indexOf(waiter), 1);
      waiter.settle({ kind: "aborted" });
      look();
    };
    const waiter: Waiter = {
      cost,
      untilMs: nowMs + house.waitMsMax,
      settle: (outcome) => {
        signal.removeEventListener("abort", onAbort);
        resolve(outcome);
      },
    };
    signal.addEventListener("abort", onAbort, { once: true });
    waiting.push(waiter);
    look();
    return promise;
  };

  return {
    enter: (costOf, signal) => {
      if (signal.aborted) return { kind: "aborted" };
      const cost = countsTokens(state.meters) ? costOf() : SMALLEST;
      const nowMs = house.nowMs();
      const answer = ask(cost, nowMs);
      if (answer.kind === "parked" || answer.kind === "open") return heldBy(answer);
      if (answer.kind === "go" && waiting.length === 0) return pass(cost, nowMs);
      // Its own wait is known, and that all who came before must leave first.
      const ahead = waiting.reduce((sum, one) => plus(sum, one.cost), { requests: 0, input: 0, output: 0 });
      const ms = Math.max(answer.kind === "wait" ? answer.ms : 0, backlogMs(state, ahead, nowMs));
      if (ms > house.waitMsMax || waiting.length >= BOUNDS.pacedCalls) return { kind: "held", code: "paced", retryAfterMs: ms };
      return wait(cost, signal, nowMs);
    },
    view: () => viewOf(state, house.nowMs()),
    idle: () => state.inFlight === 0 && waiting.length === 0,
    look,
  };
}

function heldBy(answer: Exclude<Answer, { kind: "go" }> | { readonly kind: "parked"; readonly retryAfterMs: number }): Held {
  if (answer.kind === "wait") return { kind: "held", code: "paced", retryAfterMs: answer.ms };
  return { kind: "held", code: answer.kind === "parked" ? "account_parked" : "circuit_open", retryAfterMs: answer.retryAfterMs };
}

const plus = (a: Cost, b: Cost): Cost => ({ requests: a.requests + b.requests, input: a.input + b.input, output: a.output + b.output });

const countsTokens = (meters: object): boolean => Object.keys(meters).some((name) => name !== "requests");
