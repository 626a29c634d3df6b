/** The event after which a client takes an answer for whole: it must not leave before that answer is committed. */
export const isLastEvent = (event: string): boolean =>
  /^data: ?\[DONE\]/m.test(event) || /^event: ?(?:message_stop|response\.(?:completed|incomplete|failed))\s*$/m.test(event);

/** An error that the provider sent inside its stream. */
export const isErrorEvent = (event: string): boolean => /^event: ?(?:error|response\.failed)\s*$/m.test(event) || /^data: ?\{"error":/m.test(event);
