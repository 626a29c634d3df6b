/** The model that is to answer in the caller's place of choice. */
export interface Target {
  readonly model: string;
  /** Tokens to generate at most where the caller set no limit and the API needs one. */
  readonly defaultMaxTokens: number;
  /** The `anthropic-version` the request will be sent with; without it the newest and strictest is assumed. */
  readonly anthropicVersion?: string;
}
