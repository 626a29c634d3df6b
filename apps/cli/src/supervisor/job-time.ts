import { setTimeout as pause } from "node:timers/promises";
import { type ClockRow, jobNowMs } from "@slowboat/kernel";
import { type Clock, jobClock } from "@slowboat/runtime";
import { type Store, type StoredClock, writeClock } from "@slowboat/store";
import type { KeptApp } from "./child.ts";

/** Machine ms between the word of a new pace and the instant from which it counts: time for every process to hear it. */
const NOTICE_MS = 500;

/** The job time of a running stack. */
export interface JobTime {
  readonly clock: Clock;
  /** The row that counts for whoever starts now. */
  row(): ClockRow;
  /** Lets job time go on from where it is, at `scale`, in every process from one instant on; resolves at that instant. */
  goOn(scale: number): Promise<void>;
}

/** Keeps the clock row and tells every app of a change. An app that starts meanwhile reads the row, which is written first. */
export function keepTime(store: Store, first: StoredClock, apps: readonly Pick<KeptApp, "tell">[]): JobTime {
  const clock = jobClock(first);
  let row: ClockRow = first;
  return {
    clock,
    row: () => row,
    goOn: async (scale) => {
      const nowMs = Date.now();
      const realAnchorMs = nowMs + NOTICE_MS;
      row = { realAnchorMs, jobAnchorMs: jobNowMs(row, realAnchorMs), scale };
      await writeClock(store.sql, { ...row, seenRealMs: nowMs });
      clock.follow(row);
      for (const app of apps) app.tell({ kind: "clock", row });
      await pause(Math.max(0, realAnchorMs - Date.now()));
    },
  };
}
