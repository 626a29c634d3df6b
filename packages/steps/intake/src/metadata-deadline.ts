import { memberSpans } from "@slowboat/kernel";

/** A deadline that a request carries in its own `metadata`, and the request without it. */
export interface TakenDeadline {
  /** As the caller wrote it; `undefined` where there is none. */
  readonly deadline: unknown;
  /** The body for the provider, who would store or refuse what is meant for us. */
  readonly text: string;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** Takes `metadata.deadline` out of a request; every other member keeps its raw text, and metadata that is empty then goes. */
export function takeDeadline(text: string, value: Readonly<Record<string, unknown>>): TakenDeadline {
  const metadata = value["metadata"];
  if (!isRecord(metadata) || !Object.hasOwn(metadata, "deadline")) return { deadline: undefined, text };
  const span = memberSpans(text).get("metadata");
  if (!span) return { deadline: undefined, text };
  const rest = without(text.slice(span.start, span.end), "deadline");
  // Written anew, a repeated member stands once: nothing of ours is left in an earlier one.
  const members = [...memberSpans(text)].filter(([name]) => name !== "metadata" || rest !== "{}");
  const written = members.map(([name, at]) => `${JSON.stringify(name)}:${name === "metadata" ? rest : text.slice(at.start, at.end)}`);
  return { deadline: metadata["deadline"], text: `{${written.join(",")}}` };
}

const without = (text: string, key: string): string => {
  const kept = [...memberSpans(text)].filter(([name]) => name !== key);
  return `{${kept.map(([name, span]) => `${JSON.stringify(name)}:${text.slice(span.start, span.end)}`).join(",")}}`;
};
