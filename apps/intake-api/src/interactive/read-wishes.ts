import type { LaneId } from "@slowboat/contract";
import { readDeadline } from "@slowboat/intake";
import { fault, LIMITS, memberSpans } from "@slowboat/kernel";
import type { ReuseMode } from "@slowboat/reuse";
import { cacheMode, deadlineHeader, laneList } from "../http/terms.ts";
import type { JsonBody } from "./read-body.ts";

/** What a caller asks of Slowboat beside the request itself. */
export interface Wishes {
  readonly deadlineAtMs: number | null;
  readonly allow: readonly LaneId[] | null;
  readonly deny: readonly LaneId[] | null;
  readonly cacheMode: ReuseMode;
  /** `flex` where the caller asks for that tier. */
  readonly tier: "flex" | null;
  /** The body for the provider: the caller's own, less `metadata.deadline`. */
  readonly body: string;
}

/**
 * Reads the deadline (header, or `metadata.deadline`), lanes (`Slowboat-Allow`, `Slowboat-Deny`), reuse (`Slowboat-Cache`) and
 * `service_tier` of a synchronous call. What only a batch can give is refused by naming where to go.
 */
export function readWishes(headers: Headers, body: JsonBody, nowMs: number): Wishes {
  const metadata = isRecord(body.value["metadata"]) ? body.value["metadata"] : null;
  const inMetadata = metadata?.["deadline"];
  const header = deadlineHeader(headers);
  const asked = header === null ? inMetadata : header.text;
  const deadlineAtMs = asked === undefined ? null : syncDeadline(asked, nowMs, header?.name ?? "metadata.deadline");
  const allow = laneList(headers, "slowboat-allow");
  const { tier, deny } = tierLanes(body.value["service_tier"], laneList(headers, "slowboat-deny"));
  return { deadlineAtMs, allow, deny, tier, cacheMode: cacheMode(headers), body: inMetadata === undefined ? body.text : withoutDeadline(body.text) };
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** Reads a deadline that a synchronous call can keep: at most 10 minutes from now. */
function syncDeadline(text: unknown, nowMs: number, param: string): number {
  const atMs = readDeadline(text, nowMs, param);
  if (atMs - nowMs > LIMITS.syncDeadlineMs) throw fault("deadline-too-long-for-sync", { param });
  return atMs;
}

/** `flex` asks for flex with real time as its fallback; a tier that must be real time rules flex out; `batch` cannot be synchronous. */
function tierLanes(tier: unknown, deny: LaneId[] | null): { tier: "flex" | null; deny: LaneId[] | null } {
  if (tier === "batch") {
    throw fault("invalid-request", {
      param: "service_tier",
      message: "service_tier 'batch' cannot be answered synchronously; use POST /v1/jobs or POST /v1/batches.",
    });
  }
  if (tier === "flex") return { tier, deny };
  return { tier: null, deny: typeof tier === "string" && tier !== "auto" ? [...(deny ?? []), "openai-flex"] : deny };
}

/** Takes `deadline` out of `metadata`, which a provider would store or refuse; every other member keeps its raw text. */
function withoutDeadline(text: string): string {
  const metadata = memberSpans(text).get("metadata");
  if (!metadata) return text;
  const rest = without(text.slice(metadata.start, metadata.end), "deadline");
  return rest === "{}" ? without(text, "metadata") : text.slice(0, metadata.start) + rest + text.slice(metadata.end);
}

const without = (text: string, key: string): string => {
  const kept = [...memberSpans(text)].filter(([name]) => name !== key);
  return `{${kept.map(([name, span]) => `${JSON.stringify(name)}:${text.slice(span.start, span.end)}`).join(",")}}`;
};
