import { type Fault, fault } from "@slowboat/kernel";
import type { LaneAnswer, LimitHeaders } from "@slowboat/lanes";

/** How a call ends for its caller, and what its job remembers of a failure. */
export interface Ending {
  readonly statusCode: number;
  readonly body: string;
  readonly requestId: string | null;
  /** The provider's wish, in the caller's time: machine ms. */
  readonly retryAfterMs: number | null;
  /** What the provider said of its limits, also with an answer that is not for the caller. */
  readonly limits: LimitHeaders;
  /** Thrown instead of the body where the provider said nothing that is for the caller. */
  readonly fault: Fault | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/**
 * A provider's answer or refusal is the caller's, word for word. What concerns our account there (keys, quota), what is no
 * error of the API's shape, and an outcome that nobody heard, become faults of our own.
 * `scale`: job ms in a machine ms.
 */
export function endingOf(answer: LaneAnswer, scale: number): Ending {
  const failed = (error: Fault): Ending => ({
    statusCode: error.status,
    body: "",
    requestId: null,
    retryAfterMs: null,
    limits: "limits" in answer ? (answer.limits ?? {}) : {},
    fault: error,
    error: { code: error.code, message: error.message },
  });
  switch (answer.kind) {
    case "answered":
      return {
        statusCode: answer.statusCode,
        body: answer.body,
        requestId: answer.requestId,
        retryAfterMs: null,
        limits: answer.limits ?? {},
        fault: null,
        error: null,
      };
    case "refused": {
      const after = answer.retryAfterMs === null ? null : Math.ceil(answer.retryAfterMs / scale);
      const later = after === null ? {} : { retryAfterMs: after };
      if (answer.code === "paced" && answer.held) return failed(fault("rate-limited", later));
      if (answer.retry === "park")
        return failed(
          fault("lane-unavailable", {
            message: "The provider does not serve this installation's account at the moment.",
            inside: answer.code,
            ...later,
          }),
        );
      if (answer.held)
        return failed(
          fault("lane-unavailable", { message: "The provider is failing; it is left alone for a moment.", inside: answer.code, ...later }),
        );
      if (!isApiError(answer.body) || answer.statusCode < 400)
        return failed(fault("provider-failed", { inside: `status ${answer.statusCode}`, ...later }));
      const { statusCode, body, requestId, limits = {} } = answer;
      return {
        statusCode,
        body,
        requestId,
        retryAfterMs: after,
        limits,
        fault: null,
        error: { code: "provider-refused", message: `The provider refused the request with status ${statusCode}.` },
      };
    }
    case "void":
      return failed(fault("lane-unavailable", { message: "The provider could not be reached.", inside: answer.message }));
    case "unknown":
      return failed(fault(answer.code === "timeout" ? "provider-timeout" : "outcome-unknown", { inside: `${answer.code}: ${answer.message}` }));
  }
}

/** True for an error envelope of either API; a proxy's page is not for the caller. */
function isApiError(body: string): boolean {
  try {
    const value = JSON.parse(body) as { error?: unknown } | null;
    return typeof value === "object" && value !== null && typeof value.error === "object" && value.error !== null;
  } catch {
    return false;
  }
}
