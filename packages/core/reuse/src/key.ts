import type { Endpoint } from "@slowboat/contract";
import { sha256 } from "@slowboat/kernel";
import { canonicalBody } from "./canonical.ts";

/** What makes two requests the same question. */
export interface ReuseQuestion {
  /** Answers are never shared between tenants. */
  readonly tenantId: string;
  readonly endpoint: Endpoint;
  /** The name the caller asked for, alias or id. */
  readonly model: string;
  /** Raw JSON text of the body. */
  readonly body: string;
}

/** The exact reuse key, 32 bytes: equal for two requests of a tenant only when they ask the same model the same thing. */
export const reuseKey = (question: ReuseQuestion): Uint8Array =>
  sha256(`${JSON.stringify([1, question.tenantId, question.endpoint, question.model])}${canonicalBody(question.body)}`);
