import { createFairLine, type FairTurn } from "@slowboat/plan";

/** Lets a bounded number in at a time: by fair shares between tenants, the one that must start first within one. */
export interface Gate {
  readonly width: number;
  /** Resolves when there is room; the returned function makes room again. */
  enter(turn: FairTurn): Promise<() => void>;
  /** Corrects what a tenant was charged for its turn, by so much more (or less) than was estimated. */
  correct(tenant: string, work: number): void;
}

/** Makes a gate for `width` at a time. One gate a lane: chunks of one lane share its width, and no lane waits for another. `jobNowMs` tells what is too late. */
export function createGate(width: number, weight?: (tenant: string) => number, jobNowMs?: () => number): Gate {
  let inside = 0;
  const line = createFairLine<FairTurn & { go(): void }>(weight, jobNowMs);
  const leave = (): void => {
    const next = line.peek();
    if (next === null) {
      inside--;
      return;
    }
    line.serve(next);
    next.go();
  };
  return {
    width,
    enter: async (turn) => {
      if (inside < width) {
        inside++;
        line.charge(turn.tenant, turn.work);
      } else await new Promise<void>((go) => line.join({ ...turn, go }));
      let left = false;
      return () => {
        if (!left) leave();
        left = true;
      };
    },
    correct: (tenant, work) => line.charge(tenant, work),
  };
}
