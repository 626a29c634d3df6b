import { type Endpoint, isNameList } from "@slowboat/contract";
import { fault, memberSpans } from "@slowboat/kernel";

/** What a request says to us and not to its provider, and the request without it. */
export interface TakenMembers {
  /** `metadata.deadline` as the caller wrote it; `undefined` where there is none. */
  readonly deadline: unknown;
  /** `fallbacks` where it is a list of names; `null` where there is none, which an empty list is not. */
  readonly fallbacks: readonly string[] | null;
  /** The body for the provider, who would store or refuse what is meant for us. */
  readonly text: string;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Takes `metadata.deadline` and the names in `fallbacks` out of a request; every other member keeps its raw text, and metadata that is empty
 * then goes. A provider's own member `fallbacks`, a list of objects, stays.
 */
export function takeOwn(text: string, value: Readonly<Record<string, unknown>>): TakenMembers {
  const metadata = value["metadata"];
  const timed = isRecord(metadata) && Object.hasOwn(metadata, "deadline");
  const names = value["fallbacks"];
  const fallbacks = isNameList(names) ? names : null;
  const deadline = timed ? metadata["deadline"] : undefined;
  if (!timed && fallbacks === null) return { deadline, fallbacks, text };
  // Written anew, a repeated member stands once: nothing of ours is left in an earlier one.
  const written = [...memberSpans(text)].flatMap(([name, at]) => {
    if (name === "fallbacks" && fallbacks !== null) return [];
    const raw = text.slice(at.start, at.end);
    const kept = name === "metadata" && timed ? without(raw, "deadline") : raw;
    return name === "metadata" && timed && kept === "{}" ? [] : [`${JSON.stringify(name)}:${kept}`];
  });
  return { deadline, fallbacks, text: `{${written.join(",")}}` };
}

/** Refuses a member `fallbacks` that is no list of names where only ours can be meant: a wish that is not understood must not be dropped silently. */
export function checkFallbacks(endpoint: Endpoint, value: Readonly<Record<string, unknown>>, param: string): void {
  const given = value["fallbacks"];
  if (given == null || isNameList(given) || endpoint === "/v1/messages") return;
  throw fault("invalid-request", { param, message: `'${param}' must be a list of model names.` });
}

const without = (text: string, key: string): string => {
  const kept = [...memberSpans(text)].filter(([name]) => name !== key);
  return `{${kept.map(([name, span]) => `${JSON.stringify(name)}:${text.slice(span.start, span.end)}`).join(",")}}`;
};
