/** Says where a run is: one line that is written over on a terminal, a line now and then elsewhere. */
export interface Progress {
  /** `done` of `all` in this phase. */
  at(phase: string, done: number, all: number): void;
  end(): void;
}

const TERMINAL_MS = 200;
const LOG_MS = 10_000;

/** Writes to `out`; `nowMs` is machine time. */
export function createProgress(out: NodeJS.WriteStream, nowMs: () => number = () => performance.now()): Progress {
  const everyMs = out.isTTY ? TERMINAL_MS : LOG_MS;
  let phase = "";
  let startedMs = 0;
  let firstDone = 0;
  let saidMs = Number.NEGATIVE_INFINITY;
  let whole = false;
  return {
    at: (name, done, all) => {
      const now = nowMs();
      if (name !== phase) [phase, startedMs, firstDone, saidMs, whole] = [name, now, done, Number.NEGATIVE_INFINITY, false];
      if (whole || (now - saidMs < everyMs && done < all)) return;
      saidMs = now;
      whole = done >= all;
      const rate = (done - firstDone) / Math.max(0.001, (now - startedMs) / 1000);
      const eta = rate > 0 ? `${Math.ceil((all - done) / rate)} s` : "unknown";
      const line = `soak ${name} · ${done.toLocaleString("en-US")} of ${all.toLocaleString("en-US")} · ${rate.toFixed(0)}/s · ETA ${done >= all ? "0 s" : eta}`;
      out.write(out.isTTY ? `\r\u001b[2K${line}` : `${line}\n`);
    },
    end: () => void (out.isTTY && out.write("\n")),
  };
}
