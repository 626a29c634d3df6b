import { routeOn } from "@slowboat/pricing";
import { dueAtMs, type KnownRoom, quotaTurns } from "./quota-turns.ts";
import { type LaneRoom, type PlanJob, roomKey } from "./snapshot.ts";

/** What a request of some size finds, of whose own work so many tokens go to each quota before it. */
export interface Rooms {
  /** The keys of the quotas that it may run into. */
  readonly keys: readonly string[];
  /** Where it would have to wait; `undefined` for nowhere. */
  at(inputTokens: number, aheadOf: (key: string) => number): ReadonlyMap<string, LaneRoom> | undefined;
}

const DAY_MS = 86_400_000;

/** The quotas of the batch lanes that work of this kind may go to, for the model that it asks for, as the planner would find them at its turn. */
export function openRooms(quotas: readonly KnownRoom[] | undefined, job: Pick<PlanJob, "candidates" | "deadlineAtMs">, nowMs: number): Rooms | null {
  const due = dueAtMs({ deadlineAtMs: job.deadlineAtMs, acceptedAtMs: nowMs });
  const mine = new Map<string, { readonly room: KnownRoom; readonly before: number }>();
  for (const lane of new Set(quotas?.map((one) => one.lane))) {
    const model = routeOn(lane, job.candidates)?.model;
    if (model === undefined) continue;
    const of = (name: string): KnownRoom | undefined => quotas?.find((one) => one.lane === lane && one.model === name);
    const room = of(model) ?? of("*");
    if (room === undefined) continue;
    const minute = Math.floor(due / 60_000);
    mine.set(roomKey(lane, model), { room, before: room.waiting.reduce((sum, row) => (row.minute < minute ? sum + row.tokens : sum), 0) });
  }
  if (mine.size === 0) return null;
  return {
    keys: [...mine.keys()],
    at(inputTokens, aheadOf) {
      const found = [...mine].flatMap(([key, { room, before }]): [string, LaneRoom][] => {
        const waitMs = waitFor(room, before + aheadOf(key), inputTokens, due);
        return waitMs === 0 ? [] : [[key, { waitMs, why: whyOf(room, waitMs) }]];
      });
      return found.length === 0 ? undefined : new Map(found);
    },
  };
}

function waitFor(room: KnownRoom, aheadTokens: number, tokens: number, due: number): number {
  if (room.configured !== null && tokens > room.configured) return Number.POSITIVE_INFINITY;
  const view = { ...room, waiting: [{ minute: Number.NEGATIVE_INFINITY, tokens: aheadTokens }] };
  return quotaTurns(view, [{ id: "", tokens, dueAtMs: due }]).get("")?.waitMs ?? 0;
}

const count = (tokens: number): string => Math.round(tokens).toLocaleString("en-US");

const whyOf = ({ limitTokens, heldTokens }: KnownRoom, waitMs: number): string =>
  waitMs > DAY_MS
    ? `more tokens than the ${count(limitTokens)} that may be enqueued`
    : `waits for room: of the ${count(limitTokens)} tokens that may be enqueued ${count(heldTokens)} are out`;

/** The same for one piece of work: its longest request, with so many tokens of the others before it. */
export const roomsBehind = (
  quotas: readonly KnownRoom[] | undefined,
  job: Pick<PlanJob, "candidates" | "deadlineAtMs" | "inputTokens">,
  aheadTokens: number,
  nowMs: number,
): ReadonlyMap<string, LaneRoom> | undefined => openRooms(quotas, job, nowMs)?.at(job.inputTokens, () => aheadTokens);
