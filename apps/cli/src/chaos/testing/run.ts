import { until } from "@slowboat/testkit";
import { audit, unfinished } from "./audit.ts";
import { type Installation, startInstallation } from "./installation.ts";
import { type Receiver, startReceiver } from "./receiver.ts";
import { type Accepted, sizeOf, submitter, type WaveSize } from "./work.ts";

/** 334 jobs of every kind; six waves make the 2,000. */
const WAVE: WaveSize = { chat: 120, hurried: 60, messages: 50, embeddings: 80, native: 24 };
const DRAIN_MS = 90_000;

/** An installation under test with what it was given and what it announced. */
export interface Run {
  readonly at: Installation;
  readonly accepted: Accepted;
  submit(wave: string): Promise<void>;
  /** Waits until all work has ended, then holds the installation against what it accepted: nothing to say is the good answer. */
  findings(waves: number): Promise<string[]>;
  /** What is left and what was said, for a failed test. */
  story(): Promise<string>;
  remove(): Promise<void>;
}

/** Starts an installation that may call back to a receiver of its own. */
export async function startRun(env: Readonly<Record<string, string>> = {}): Promise<Run> {
  const receiver: Receiver = await startReceiver();
  const at = await startInstallation({ SLOWBOAT_CALLBACK_ALLOW: receiver.hostPort, ...env });
  const accepted: Accepted = { batches: [], jobs: [] };
  const submit = submitter(at, receiver.url, accepted);
  return {
    at,
    accepted,
    submit: (wave) => submit(wave, WAVE),
    findings: async (waves) => {
      const expected = waves * sizeOf(WAVE);
      const known = accepted.jobs.length + accepted.batches.reduce((sum, batch) => sum + batch.customIds.length, 0);
      // A look at a database that was just killed may fail; it counts as not yet.
      await until(
        () =>
          unfinished(at).then(
            (left) => left.length === 0,
            () => false,
          ),
        "everything has ended",
        DRAIN_MS,
      );
      return [...(known === expected ? [] : [`${known} jobs were submitted, not ${expected}`]), ...(await audit(at, accepted, receiver.deliveries))];
    },
    story: async () => `${(await unfinished(at).catch(() => [])).join("\n")}\n${at.words()}`,
    remove: async () => {
      await at.remove();
      await receiver.close();
    },
  };
}
