import { ANTHROPIC_VERSION } from "@slowboat/contract";

/** The model that is to answer in the caller's place of choice. */
export interface Target {
  readonly model: string;
  /** Tokens to generate at most where the caller set no limit and the API needs one. */
  readonly defaultMaxTokens: number;
  /** The `anthropic-version` the request will be sent with; without it the newest and strictest is assumed. */
  readonly anthropicVersion?: string;
}

/** Above nearly every chat answer, and below what the smallest model of the API that asks for a limit can give. */
const DEFAULT_MAX_TOKENS = 8_192;

/** The target of a fallback: one rule for whoever judges a translation and whoever sends it, so that both come to the same. */
export const fallbackTarget = (model: string): Target => ({ model, defaultMaxTokens: DEFAULT_MAX_TOKENS, anthropicVersion: ANTHROPIC_VERSION });
