/** What every app needs around its work: settings, a logger, the system clock and dice, an orderly start and stop. */
export { type Clock, jobClock, systemClock } from "./clock.ts";
export { systemRng } from "./rng.ts";
export { createLogger, type Logger } from "./logger.ts";
export { parseSettings } from "./settings.ts";
export { type Service, runServices } from "./lifecycle.ts";
export { groupCommit } from "./group-commit.ts";
export { type CallbackCheck, checkCallbackUrl, isPublicAddress } from "./callback-url.ts";
export { deriveKey, keyName, newWebhookSecret, openWebhookSecret } from "./seal.ts";
export { loop } from "./loop.ts";
