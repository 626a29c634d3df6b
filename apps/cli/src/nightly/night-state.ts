import type { DataFolder } from "../supervisor/data-folder.ts";

/** The parts of a night, in the order in which they are shown. */
export const PARTS = ["embeddings", "topics", "chat", "messages"] as const;
export type Part = (typeof PARTS)[number];

/** What a night has done so far, written down after every step: a start after a crash goes on from here. */
export interface NightState {
  /** Local date of the evening in job time; also the results' folder. */
  readonly date: string;
  readonly deadline: string;
  readonly startedAtMs: number;
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
    const state = JSON.parse(text) as NightState | null;
    return state !== null && state.tenantId === tenantId && state.digest === digest ? state : null;
  } catch {
    return null;
  }
}

/** Writes the state down. */
export const keepNight = (folder: DataFolder, state: NightState): void => folder.write(NAME, `${JSON.stringify(state, null, 2)}\n`);

/** Forgets a night whose receipt was printed. */
export const forgetNight = (folder: DataFolder): void => folder.write(NAME, "null\n");
