import { startEmulator } from "@slowboat/emulator";
import { type Target, witnessOf } from "./target.ts";

const STEP_MS = 60_000;
/** Longer than a batch may take. */
const STEPS = 60 * 25;

/** The emulator by itself, on a clock that the suite moves. */
export async function startEmulated(): Promise<Target> {
  let nowMs = Date.UTC(2026, 10, 20, 22);
  const emulator = await startEmulator({ latency: "instant", listedErrors: "all", clock: () => nowMs });
  return {
    name: "emulator",
    url: emulator.url,
    key: "any-key",
    witness: witnessOf("emulator"),
    scale: 1,
    passUntil: async (done, what) => {
      for (let step = 0; step < STEPS; step++) {
        if (await done()) return;
        nowMs += STEP_MS;
      }
      throw new Error(`never happened within 25 hours of the emulator's: ${what}`);
    },
    faults: emulator.addFaults,
    calm: async () => void (await fetch(`${emulator.url}/emulator/faults`, { method: "DELETE" })),
    charges: async () => (await emulator.invoice()).lines.filter((line) => line.batchId === null).length,
    stop: emulator.stop,
  };
}
