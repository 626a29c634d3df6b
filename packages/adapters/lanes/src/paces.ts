import type { Rng } from "@slowboat/kernel";
import { askBreaker, type Breaker, CLOSED, type PacePolicy, type PaceView, pacePolicy, passed, told } from "@slowboat/pace";
import { BOUNDS } from "./bounds.ts";
import { createGate, type Gate, type GateHouse } from "./gate.ts";

/** What pacing needs of the process it runs in. */
export interface PaceSettings {
  /** Job time, in which an emulated provider lives, and how much faster than the machine's time it goes. */
  readonly clock: { readonly scale: number; job(): number };
  readonly rng: Rng;
  /** Calls in flight to one model of one account, at most. */
  readonly ceiling: number;
  /** Machine ms that a call waits for its turn before it is held back. */
  readonly waitMsMax: number;
  /** Machine ms since any instant; must never run backwards. */
  nowMs(): number;
  /** A tenant's share where calls wait for their turn. */
  weight(tenant: string): number;
}

/** How a lane's account and its models stand. */
export interface LanePace {
  /** Machine ms until the account, which refused everything (key, quota, spend cap), is asked again; 0 when it serves. */
  readonly parkedMs: number;
  /** Models that were called, by name. */
  readonly models: ReadonlyMap<string, PaceView>;
}

/** The paces of one process: one for each model of each account, whichever lanes call it, and a breaker for each account as a whole. */
export interface Paces {
  readonly settings: PaceSettings;
  gate(account: string, model: string): Gate;
  /** Takes the account out of service after a refusal that only a person can mend. */
  park(account: string): void;
  view(account: string): LanePace;
}

interface Account {
  breaker: Breaker;
  calls: number;
  readonly gates: Map<string, Gate>;
}

/** Machine time that never runs backwards. */
const machineMs = (): number => performance.now();
const DICE: Rng = { u32: () => Math.floor(Math.random() * 2 ** 32), float: () => Math.random() };
const MACHINE: PaceSettings["clock"] = { scale: 1, job: () => Date.now() };

/** Makes the paces of a process; what is left out is a real provider's time and the bounds of `BOUNDS`. */
export function createPaces(given: Partial<PaceSettings> = {}): Paces {
  const settings: PaceSettings = {
    clock: MACHINE,
    rng: DICE,
    ceiling: BOUNDS.connections,
    waitMsMax: BOUNDS.paceMs,
    nowMs: machineMs,
    weight: () => 1,
    ...given,
  };
  const policy = pacePolicy({ scale: settings.clock.scale, ceiling: settings.ceiling });
  const accounts = new Map<string, Account>();
  const accountOf = (name: string): Account => {
    const known = accounts.get(name) ?? { breaker: CLOSED, calls: 0, gates: new Map() };
    accounts.set(name, known);
    return known;
  };
  const wake = (account: Account): void => {
    for (const gate of account.gates.values()) gate.look();
  };
  return {
    settings,
    gate: (name, model) => {
      const account = accountOf(name);
      const known = account.gates.get(model);
      if (known !== undefined) return known;
      forgetIdle(account);
      const gate = createGate(houseOf(account, settings, policy, () => wake(account)));
      account.gates.set(model, gate);
      return gate;
    },
    park: (name) => {
      const account = accountOf(name);
      const call = ++account.calls;
      const before = account.breaker.kind === "closed" ? account.breaker : passed(account.breaker, call, settings.nowMs());
      account.breaker = told(before, call, "failed", policy.park, settings.nowMs(), settings.rng);
      wake(account);
    },
    view: (name) => {
      const account = accountOf(name);
      const gate = askBreaker(account.breaker, policy.park, settings.nowMs());
      return {
        parkedMs: gate.kind === "open" ? gate.retryAfterMs : 0,
        models: new Map([...account.gates].map(([model, one]) => [model, one.view()])),
      };
    },
  };
}

function houseOf(account: Account, settings: PaceSettings, policy: PacePolicy, wake: () => void): GateHouse {
  return {
    policy,
    rng: settings.rng,
    waitMsMax: settings.waitMsMax,
    nowMs: settings.nowMs,
    jobNowMs: () => settings.clock.job(),
    weight: settings.weight,
    askAccount: (nowMs) => askBreaker(account.breaker, policy.park, nowMs),
    passAccount: (nowMs) => {
      const call = ++account.calls;
      account.breaker = passed(account.breaker, call, nowMs);
      return (sign) => {
        const before = account.breaker;
        account.breaker = told(before, call, sign, policy.park, settings.nowMs(), settings.rng);
        if (account.breaker !== before) wake();
      };
    },
  };
}

/** Model names may come from callers: beyond the bound, those that nothing is going on with are forgotten, oldest first. */
function forgetIdle(account: Account): void {
  for (const [model, gate] of account.gates) {
    if (account.gates.size < BOUNDS.pacedModels) return;
    if (gate.idle()) account.gates.delete(model);
  }
}
