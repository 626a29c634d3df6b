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
import { createFairLine, type FairTurn } from "@slowboat/plan";
import { BOUNDS } from "./bounds.ts";

/** What a gate needs of its account and its process. */
export interface GateHouse {
  readonly policy: PacePolicy;
  readonly rng: Rng;
  readonly waitMsMax: number;
  /** Machine ms, monotonic. */
  nowMs(): number;
  /** Job time, in which turns tell from when on they are too late. */
  jobNowMs(): number;
  /** A tenant's share of what the account lets pass. */
  weight(tenant: string): number;
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

/** The one way out to a model of an account: by fair shares between tenants, the one that must start first within one. Who says nothing of itself waits in order of arrival. */
export interface Gate {
  /** `cost` is asked only where a limit counts tokens. */
  enter(cost: () => Cost, signal: AbortSignal, turn?: FairTurn): Pass | Held | Promise<Pass | Held>;
  view(): PaceView;
  /** True when nothing is in flight and nobody waits. */
  idle(): boolean;
  /** Looks again who may go: something changed outside. */
  look(): void;
}

interface Waiter extends FairTurn {
  readonly cost: Cost;
  readonly untilMs: number;
  settle(outcome: Pass | Held): void;
}

const SMALLEST: Cost = { requests: 1, input: 0, output: 0 };
const NOBODY: FairTurn = { tenant: "", work: 1, dueAtMs: 0, urgent: false };

export function createGate(house: GateHouse): Gate {
  let state = openPace(house.policy);
  const waiting = createFairLine<Waiter>(house.weight, house.jobNowMs);
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

  const pass = (cost: Cost, nowMs: number, { tenant, work }: FairTurn): Pass => {
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
        // What was charged was an estimate, with all the output that was allowed for.
        if (tenant !== NOBODY.tenant && spent !== null) waiting.charge(tenant, spent.input + spent.output - work);
        tellAccount(outcome === "parked" ? "failed" : outcome === "ok" || outcome === "refused" || outcome === "limited" ? "alive" : "silent");
        hear({ kind: "ended", ticket, outcome: outcome === "parked" ? "silent" : outcome, wishMs, spent });
      },
    };
  };

  /** Lets out who may go, in order; turns away who has waited too long or finds it closed; and comes back when the first may go. */
  function look(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    for (let head = waiting.peek(); head !== null; head = waiting.peek()) {
      const nowMs = house.nowMs();
      const answer = ask(head.cost, nowMs);
      if (answer.kind === "go") {
        waiting.serve(head);
        head.settle(pass(head.cost, nowMs, head));
        continue;
      }
      // Who has waited too long need not be the first in line.
      const late = answer.kind === "wait" ? [...waiting].filter((one) => nowMs >= one.untilMs) : [head];
      if (late.length === 0) {
        const untilMs = Math.min(...[...waiting].map((one) => one.untilMs));
        timer = setTimeout(look, Math.min(answer.kind === "wait" ? answer.ms : 0, untilMs - nowMs) + 1);
        return;
      }
      for (const one of late) {
        waiting.leave(one);
        one.settle(heldBy(answer));
      }
    }
  }

  const wait = (cost: Cost, signal: AbortSignal, nowMs: number, turn: FairTurn): Promise<Pass | Held> => {
    const { promise, resolve } = Promise.withResolvers<Pass | Held>();
    const onAbort = (): void => {
      waiting.leave(waiter);
      waiter.settle({ kind: "aborted" });
      look();
    };
    const waiter: Waiter = {
      ...turn,
      cost,
      untilMs: nowMs + house.waitMsMax,
      settle: (outcome) => {
        signal.removeEventListener("abort", onAbort);
        resolve(outcome);
      },
    };
    signal.addEventListener("abort", onAbort, { once: true });
    waiting.join(waiter);
    look();
    return promise;
  };

  /** What goes before a tenant's next call: all of its own that wait, and of every other tenant as much at most. `full`: it has its share of the places in the line. */
  const aheadOf = (tenant: string, cost: Cost): { readonly cost: Cost; readonly full: boolean } => {
    const none: Cost = { requests: 0, input: 0, output: 0 };
    const byTenant = new Map([[tenant, none]]);
    for (const one of waiting) byTenant.set(one.tenant, plus(byTenant.get(one.tenant) ?? none, one.cost));
    const mine = byTenant.get(tenant) ?? none;
    const most = plus(mine, cost);
    const ahead = [...byTenant].reduce((sum, [name, theirs]) => plus(sum, name === tenant ? theirs : least(theirs, most)), none);
    return { cost: ahead, full: waiting.size >= BOUNDS.pacedCalls && mine.requests >= BOUNDS.pacedCalls / byTenant.size };
  };

  return {
    enter: (costOf, signal, turn = NOBODY) => {
      if (signal.aborted) return { kind: "aborted" };
      const cost = countsTokens(state.meters) ? costOf() : SMALLEST;
      const nowMs = house.nowMs();
      const answer = ask(cost, nowMs);
      if (answer.kind === "parked" || answer.kind === "open") return heldBy(answer);
      if (answer.kind === "go" && waiting.size === 0) {
        waiting.charge(turn.tenant, turn.work);
        return pass(cost, nowMs, turn);
      }
      const { cost: ahead, full } = aheadOf(turn.tenant, cost);
      const ms = Math.max(answer.kind === "wait" ? answer.ms : 0, backlogMs(state, ahead, nowMs));
      if (ms > house.waitMsMax || full) return { kind: "held", code: "paced", retryAfterMs: ms };
      return wait(cost, signal, nowMs, turn);
    },
    view: () => viewOf(state, house.nowMs()),
    idle: () => state.inFlight === 0 && waiting.size === 0,
    look,
  };
}

function heldBy(answer: Exclude<Answer, { kind: "go" }> | { readonly kind: "parked"; readonly retryAfterMs: number }): Held {
  if (answer.kind === "wait") return { kind: "held", code: "paced", retryAfterMs: answer.ms };
  return { kind: "held", code: answer.kind === "parked" ? "account_parked" : "circuit_open", retryAfterMs: answer.retryAfterMs };
}

const plus = (a: Cost, b: Cost): Cost => ({ requests: a.requests + b.requests, input: a.input + b.input, output: a.output + b.output });

const least = (a: Cost, b: Cost): Cost => ({
  requests: Math.min(a.requests, b.requests),
  input: Math.min(a.input, b.input),
  output: Math.min(a.output, b.output),
});

const countsTokens = (meters: object): boolean => Object.keys(meters).some((name) => name !== "requests");
