import type { DelayKind } from "./decision.ts";

const DID: Readonly<Record<"place" | DelayKind, string>> = {
  place: "placed on",
  hold: "held back from",
  follow: "waits for a job that asks the same",
  quota: "waits for room on",
  pace: "goes a little later on",
  prime: "waits for the prompt cache on",
  away: "waits for a lane",
  refuse: "refused",
  wait: "left on its lane",
  cancel: "called back from its batch",
  budget: "waits for its budget",
};

/** What a decision did with its job, in words for people: `"held back from openai-batch"`. A kind that is not known stands for itself. */
export function decisionWords(kind: string, lane: string | null): string {
  const did = (DID as Readonly<Record<string, string>>)[kind] ?? kind;
  return did.endsWith(" on") || did.endsWith(" from") ? `${did} ${lane ?? "its lane"}` : did;
}
