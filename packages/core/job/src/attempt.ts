/**
 * - `intent`: committed, nothing sent
 * - `sending`: the socket may be open; a crash from here on leaves the outcome unknown
 * - `placed`: a line of a provider batch that exists
 * - `answered`: the provider's raw answer is committed (a refusal that is the final answer is one too)
 * - `settled`: ledger and result are written; one out of suspense has its charge in the ledger and no result
 * - `void`: ended without an answer and without a cost (expired, cancelled, refused and retried elsewhere, never sent)
 * - `unknown`: may have been billed and nothing was heard: in suspense
 */
export type AttemptState = "intent" | "sending" | "placed" | "answered" | "settled" | "void" | "unknown";

const NEXT: Record<AttemptState, readonly AttemptState[]> = {
  intent: ["sending", "placed", "void"],
  sending: ["placed", "answered", "void", "unknown"],
  placed: ["answered", "void", "unknown"],
  answered: ["settled"],
  settled: [],
  void: [],
  unknown: ["answered", "void", "settled"],
};

export const ATTEMPT_TERMINAL: readonly AttemptState[] = ["settled", "void"];

/** True when an attempt may go from `from` to `to`. */
export const attemptMay = (from: AttemptState, to: AttemptState): boolean => NEXT[from].includes(to);

/** The states from which `to` may be reached; what an UPDATE names in its WHERE. */
export const attemptSourcesOf = (to: AttemptState): AttemptState[] => (Object.keys(NEXT) as AttemptState[]).filter((from) => attemptMay(from, to));
