import { mkdirSync } from "node:fs";
import type { DataFolder } from "../supervisor/data-folder.ts";

/** The parts of a night, in the order in which they are shown. */
export const PARTS = ["embeddings", "topics", "chat", "messages"] as const;
export type Part = (typeof PARTS)[number];

/** What a night has done so far, written down after every step: a start after a crash goes on from here. */
export interface NightState {
  /** Unique: requests of two nights are never taken for one another, however alike the nights are. */
  readonly id: string;
  /** Local date of the deadline, with a number where nights share it; also the results' folder, which is this night's alone. */
  readonly name: string;
  readonly deadline: string;
  /** Job time of the evening. */
  readonly startedAtMs: number;
  /** Machine time of the evening. */
  readonly startedRealMs: number;
  /** The API it was sent to; a night of another place is not ours to resume. */
  readonly tenantId: string;
  readonly fileIds: Readonly<Partial<Record<Part, string>>>;
  readonly batchIds: Readonly<Partial<Record<Part, string>>>;
  /** Digest of the requests: other documents are another night. */
  readonly digest: string;
}

const NAME = "night.json";

/** The night that was cut short, if there is one of this tenant over the same requests. */
export function unfinishedNight(folder: DataFolder, tenantId: string, digest: string): NightState | null {
  const text = folder.read(NAME);
  if (text === null) return null;
  try {
    const state = JSON.parse(text) as Partial<NightState> | null;
    const whole = typeof state?.id === "string" && typeof state.name === "string" && state.tenantId === tenantId && state.digest === digest;
    return whole ? (state as NightState) : null;
  } catch {
    return null;
  }
}

/** The name of a new night whose deadline is at `deadlineAtMs`; takes its results' folder, so that no other night gets it. */
export function takeName(folder: DataFolder, deadlineAtMs: number): string {
  const morning = new Date(deadlineAtMs);
  const two = (part: number): string => String(part).padStart(2, "0");
  const date = `${morning.getFullYear()}-${two(morning.getMonth() + 1)}-${two(morning.getDate())}`;
  for (let nth = 1; ; nth++) {
    const name = nth === 1 ? date : `${date}-${nth}`;
    try {
      mkdirSync(folder.at("results", name), { mode: 0o700 });
      return name;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

/** Writes the state down. */
export const keepNight = (folder: DataFolder, state: NightState): void => folder.write(NAME, `${JSON.stringify(state, null, 2)}\n`);

/** Forgets a night whose receipt was printed. */
export const forgetNight = (folder: DataFolder): void => folder.write(NAME, "null\n");
