import { type Endpoint, type LaneId, readNames } from "@slowboat/contract";
import { checkFallbacks, readDeadline, takeOwn } from "@slowboat/intake";
import { fault, LIMITS } from "@slowboat/kernel";
import { type ReuseWish, storedSemantic, usualWish } from "@slowboat/reuse";
import { headerTerms } from "../http/terms.ts";
import type { JsonBody } from "./read-body.ts";

/** What a caller asks of Slowboat beside the request itself. */
export interface Wishes {
  readonly deadlineAtMs: number | null;
  readonly allow: readonly LaneId[] | null;
  readonly deny: readonly LaneId[] | null;
  readonly cache: ReuseWish;
  /** `flex` where the caller asks for that tier. */
  readonly tier: "flex" | null;
  /** Models that may stand in, by name, and where they are named; `names` is `null` where the tenant's own list holds. */
  readonly fallbacks: { readonly names: readonly string[] | null; readonly param: string };
  /** The body for the provider: the caller's own, less `metadata.deadline` and `fallbacks`. */
  readonly body: string;
}

/**
 * Reads the deadline (header, or `metadata.deadline`), lanes (`Slowboat-Allow`, `Slowboat-Deny`), reuse (`Slowboat-Cache`),
 * fallback models (`Slowboat-Fallbacks`, or `fallbacks`) and `service_tier` of a synchronous call. What only a batch can give is refused by naming where to go.
 */
export function readWishes(
  headers: Headers,
  body: JsonBody,
  at: { readonly endpoint: Endpoint; readonly nowMs: number; readonly lanes: readonly LaneId[]; readonly semanticCache: string | null },
): Wishes {
  const { endpoint, nowMs, lanes, semanticCache } = at;
  checkFallbacks(endpoint, body.value, "fallbacks");
  const { deadline: inMetadata, fallbacks, text } = takeOwn(body.text, body.value);
  const asked = headerTerms(headers, lanes, semanticCache);
  if (asked.admission != null && asked.admission !== "best_effort")
    throw fault("invalid-request", {
      param: "slowboat-admission",
      message: "A synchronous call is answered at once or refused; a class of admission is for POST /v1/jobs and POST /v1/batches.",
    });
  const deadline = asked.deadline?.text ?? inMetadata;
  const deadlineAtMs = deadline === undefined ? null : syncDeadline(deadline, nowMs, asked.deadline?.name ?? "metadata.deadline");
  const { tier, deny } = tierLanes(body.value["service_tier"], asked.deny);
  const inBody = fallbacks === null ? null : readNames(fallbacks, "fallbacks");
  return {
    deadlineAtMs,
    allow: asked.allow,
    deny,
    tier,
    cache: asked.cache ?? usualWish(storedSemantic(semanticCache)),
    fallbacks: { names: asked.fallbacks ?? inBody, param: asked.fallbacks === null ? "fallbacks" : "slowboat-fallbacks" },
    body: text,
  };
}

/** Reads a deadline that a synchronous call can keep: at most 10 minutes from now. */
function syncDeadline(text: unknown, nowMs: number, param: string): number {
  const atMs = readDeadline(text, nowMs, param);
  if (atMs - nowMs > LIMITS.syncDeadlineMs) throw fault("deadline-too-long-for-sync", { param });
  return atMs;
}

/** `flex` asks for flex with real time as its fallback; a tier that must be real time rules flex out; `batch` cannot be synchronous. */
function tierLanes(tier: unknown, deny: readonly LaneId[] | null): { tier: "flex" | null; deny: readonly LaneId[] | null } {
  if (tier === "batch") {
    throw fault("invalid-request", {
      param: "service_tier",
      message: "service_tier 'batch' cannot be answered synchronously; use POST /v1/jobs or POST /v1/batches.",
    });
  }
  if (tier === "flex") return { tier, deny };
  return { tier: null, deny: typeof tier === "string" && tier !== "auto" ? [...(deny ?? []), "openai-flex"] : deny };
}
