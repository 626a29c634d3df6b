/** What every app needs around its work: settings, a logger, the system clock and dice, an orderly start and stop. */

export { type CallbackCheck, checkCallbackUrl, exemptions, isPublicAddress } from "./callback-url.ts";
export { type Clock, type FollowingClock, jobClock, supervisedClock, systemClock } from "./clock.ts";
export { readEnqueuedTokens } from "./enqueued-tokens.ts";
export { groupCommit } from "./group-commit.ts";
export { type KeptLease, keepLease, LEASE_MS } from "./lease.ts";
export { crash, runServices, type Service } from "./lifecycle.ts";
export { createLogger, type Logger } from "./logger.ts";
export { loop } from "./loop.ts";
export { type CompatibleAccount, type Market, openMarket } from "./providers.ts";
export { systemRng } from "./rng.ts";
export { deriveKey, isWebhookSecret, keyName, newWebhookSecret, openWebhookSecret } from "./seal.ts";
export { serviceArguments } from "./service-arguments.ts";
export { parseSettings } from "./settings.ts";
