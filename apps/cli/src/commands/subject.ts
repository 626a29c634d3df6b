import { Ended, EXIT } from "../exit.ts";
import type { Api } from "./place.ts";

/** What an id of ours names. */
export type SubjectKind = "job" | "batch" | "messages";

/** What is wrong with a line of a batch. */
export interface LineError {
  readonly line: number | null;
  readonly code: string;
  readonly message: string;
}

/** One job or batch, as far as it has come. */
export interface Subject {
  readonly id: string;
  readonly kind: SubjectKind;
  readonly state: string;
  readonly ended: boolean;
  readonly done: number;
  readonly failed: number;
  readonly total: number;
  /** Why a whole batch was refused, line by line; empty for whatever was accepted. `line` counts from 1 and is `null` for the file itself. */
  readonly refusals: readonly LineError[];
  /** The API's own object. */
  readonly raw: Record<string, unknown>;
}

/** What tells the Anthropic API's paths which version is meant. */
export const VERSION = { "anthropic-version": "2023-06-01" };

/** Which kind of thing an id names; another text is a usage error. */
export function kindOf(id: string): SubjectKind {
  if (/^job_[0-9a-f]{32}$/.test(id)) return "job";
  if (/^batch_[0-9a-f]{32}$/.test(id)) return "batch";
  if (/^msgbatch_[0-9a-f]{32}$/.test(id)) return "messages";
  throw new Ended(EXIT.usage, `'${id.slice(0, 64)}' is no id of a job (job_...) or a batch (batch_..., msgbatch_...).`);
}

/** Asks the API where a job or batch stands. */
export async function readSubject(api: Api, id: string, signal?: AbortSignal): Promise<Subject> {
  const kind = kindOf(id);
  const options = { headers: kind === "messages" ? VERSION : {}, ...(signal ? { signal } : {}) };
  if (kind === "job") {
    const raw = await api.json<Record<string, unknown> & { state: string }>("GET", `/v1/jobs/${id}`, options);
    const ended = ["completed", "failed", "cancelled"].includes(raw.state);
    return {
      id,
      kind,
      state: raw.state,
      ended,
      done: ended ? 1 : 0,
      failed: ended && raw.state !== "completed" ? 1 : 0,
      total: 1,
      refusals: [],
      raw,
    };
  }
  if (kind === "batch") {
    const raw = await api.json<
      Record<string, unknown> & {
        status: string;
        request_counts: { total: number; completed: number; failed: number };
        errors: { data: LineError[] } | null;
      }
    >("GET", `/v1/batches/${id}`, options);
    const { total, completed, failed } = raw.request_counts;
    const ended = ["completed", "failed", "cancelled", "expired"].includes(raw.status);
    const refusals = raw.status === "failed" ? (raw.errors?.data ?? []).map(({ line, code, message }) => ({ line, code, message })) : [];
    const unanswered = ended ? total - completed : failed;
    return { id, kind, state: raw.status, ended, done: completed + failed, failed: unanswered, total, refusals, raw };
  }
  const raw = await api.json<Record<string, unknown> & { processing_status: string; request_counts: Record<string, number> }>(
    "GET",
    `/v1/messages/batches/${id}`,
    options,
  );
  const { processing = 0, succeeded = 0, errored = 0, canceled = 0, expired = 0 } = raw.request_counts;
  const failed = errored + canceled + expired;
  return {
    id,
    kind,
    state: raw.processing_status,
    ended: raw.processing_status === "ended",
    done: succeeded + failed,
    failed,
    total: processing + succeeded + failed,
    refusals: [],
    raw,
  };
}

interface StandIn {
  readonly decision?: { readonly fallback?: { readonly name: string; readonly why: string; readonly notes: readonly string[] } } | null;
}

/** What a job waits for, in words; `null` for one that is on a lane or has ended, and for a batch. */
export const waitingOf = (raw: Record<string, unknown>): string | null => {
  const { waiting, waiting_until: until } = raw;
  if (typeof waiting !== "string") return null;
  return `waits: ${waiting}${typeof until === "string" ? ` (looked at again at ${until} at the latest)` : ""}`;
};

/** Which model stands in for the one that a job asked for, why, and what that changes of the request; `null` where none does. */
export const standInOf = (raw: Record<string, unknown>): string | null => {
  const fallback = (raw as StandIn).decision?.fallback;
  if (fallback === undefined) return null;
  const notes = fallback.notes.length === 0 ? "" : ` (${fallback.notes.join("; ")})`;
  return `${fallback.name} stands in for ${String(raw["model"])}: ${fallback.why}${notes}`;
};

/** A refused batch in words: every line that is wrong. */
export const refusalText = ({ id, refusals }: Subject): string =>
  [
    `${id} was refused: nothing of it was accepted, nothing is charged. ${refusals.length} ${refusals.length === 1 ? "error" : "errors"}:`,
    ...refusals.map(({ line, code, message }) => `  ${line === null ? "the file" : `line ${line}`}: ${code}: ${message}`),
  ].join("\n");

const PAGE = 100;
/** Pages looked through for a missed deadline; a batch has at most 100,000 requests. */
const PAGES = 1000;

/** How many of its jobs ended after their deadline. */
export async function missedDeadlines(api: Api, subject: Subject): Promise<number> {
  if (subject.kind === "job") return subject.raw["deadline_met"] === false ? 1 : 0;
  let missed = 0;
  let after = "";
  for (let page = 0; page < PAGES; page++) {
    const { data, has_more } = await api.json<{ data: { id: string; deadline_met: boolean | null }[]; has_more: boolean }>(
      "GET",
      `/v1/jobs?batch_id=${subject.id}&limit=${PAGE}${after}`,
    );
    missed += data.filter((job) => job.deadline_met === false).length;
    const last = data.at(-1);
    if (!has_more || last === undefined) break;
    after = `&after=${last.id}`;
  }
  return missed;
}
