import { fault, memberSpans } from "@slowboat/kernel";
import type { ScannedElement } from "./scan-requests.ts";

/** One request of a message batch: the caller's id, and where its `params` lie in the body. */
export interface MessageRequest {
  readonly customId: string;
  /** Raw JSON text of `params`. */
  readonly params: string;
  /** Byte offset of `params` in the body, and its length in bytes. */
  readonly offset: number;
  readonly bytes: number;
  readonly value: Readonly<Record<string, unknown>>;
}

const refuse = (element: ScannedElement, field: string, problem: string): never => {
  const param = `requests.${element.index}${field}`;
  throw fault("invalid-request", { param, message: `${param}: ${problem}` });
};

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** Reads what must hold before a batch is accepted at all, in the words of the Messages API; a fault names the element. */
export function messageRequest(element: ScannedElement): MessageRequest {
  const { value } = element;
  if (!isRecord(value)) return refuse(element, "", "Input should be a valid dictionary");
  const customId = value["custom_id"];
  if (customId === undefined) return refuse(element, ".custom_id", "Field required");
  if (typeof customId !== "string") return refuse(element, ".custom_id", "Input should be a valid string");
  if (customId.length > 64) return refuse(element, ".custom_id", "String should have at most 64 characters");
  if (!/^[a-zA-Z0-9_-]{1,64}$/.test(customId)) return refuse(element, ".custom_id", "String should match pattern '^[a-zA-Z0-9_-]{1,64}$'");
  const params = value["params"];
  if (params === undefined) return refuse(element, ".params", "Field required");
  if (!isRecord(params)) return refuse(element, ".params", "Input should be a valid dictionary");
  const span = memberSpans(element.text).get("params");
  if (!span) return refuse(element, ".params", "Field required");
  const raw = element.text.slice(span.start, span.end);
  const before = Buffer.byteLength(element.text.slice(0, span.start));
  return { customId, params: raw, offset: element.offset + before, bytes: Buffer.byteLength(raw), value: params };
}

/** Refuses the second use of a custom_id in one batch; memory is one entry a request. */
export function uniqueCustomIds(): (customId: string) => void {
  const seen = new Set<string>();
  return (customId) => {
    if (seen.has(customId)) {
      throw fault("invalid-request", {
        param: "requests",
        message: `requests: custom_id's must be unique within a batch. Duplicate custom_id found: ${customId}`,
      });
    }
    seen.add(customId);
  };
}
