import type { FaultEffect, FaultMatch, FaultRule } from "./faults.ts";

const SECOND = 1_000;
const MINUTE = 60_000;

/** The generating endpoints; embeddings answer in one piece. */
const GENERATING = ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/messages"] as const;
const CREATES = ["/v1/batches", "/v1/messages/batches"] as const;
const READS = ["/v1/batches/:id", "/v1/messages/batches/:id"] as const;
const LISTS = ["/v1/batches", "/v1/messages/batches"] as const;
const DOWNLOADS = ["/v1/files/:id/content", "/v1/messages/batches/:id/results"] as const;
const CANCELS = ["/v1/batches/:id/cancel", "/v1/messages/batches/:id/cancel"] as const;

type Named = FaultRule & { readonly name: string; readonly probability: number };

const on = (method: string, paths: readonly string[], rule: Named, match: FaultMatch = {}): Named[] =>
  paths.map((path) => ({ ...rule, match: { ...match, method, path } }));
const asked = (name: string, probability: number, effect: FaultEffect, match: FaultMatch = {}): Named[] =>
  on("POST", GENERATING, { name, probability, ...effect }, match);
const lines = (name: string, probability: number, effect: FaultEffect): Named[] => [{ name, probability, ...effect, match: { customId: "*" } }];

/**
 * Everything that can go wrong, each with the chance that it meets a request it can meet. Calls that stop an account for a while are rare,
 * or nothing else would be seen; what meets a whole batch is common, since there are few.
 */
export const CHAOS: readonly Named[] = [
  ...asked("call-rate-limit", 0.01, { preset: "rate-limit" }),
  ...asked("call-slow-down", 0.004, { preset: "slow-down" }),
  ...asked("call-overloaded", 0.008, { preset: "overloaded" }),
  ...asked("call-server-error", 0.008, { preset: "server-error" }),
  ...asked("call-html-502", 0.004, { preset: "html-502" }),
  ...asked("call-html-503", 0.004, { preset: "html-503" }),
  ...asked("call-timeout-504", 0.003, { preset: "timeout" }),
  ...asked("call-insufficient-quota", 0.0001, { preset: "insufficient-quota" }),
  ...asked("call-spend-limit", 0.0001, { preset: "spend-limit" }),
  ...asked("call-own-spend-limit", 0.0001, { preset: "own-spend-limit" }),
  ...asked("outage", 0.0005, { outageMs: MINUTE }),
  ...asked("call-unauthorized", 0.0001, { preset: "unauthorized" }),
  ...asked("call-dropped-before", 0.004, { drop: "before" }),
  ...asked("call-reset", 0.003, { drop: "reset" }),
  ...asked("call-reply-lost", 0.004, { drop: "after-commit" }),
  ...asked("call-hangs", 0.0005, { hang: true }),
  ...asked("call-slow", 0.01, { delayMs: 45 * SECOND }),
  ...asked("flex-unavailable", 0.2, { preset: "flex-unavailable" }, { provider: "openai", serviceTier: "flex" }),
  ...asked("flex-downgraded", 0.05, { servedTier: "default" }, { provider: "openai", serviceTier: "flex" }),
  ...asked("stream-ends", 0.01, { stream: { afterEvents: 4, end: "eof" } }, { stream: true }),
  ...asked("stream-reset", 0.01, { stream: { afterEvents: 4, end: "reset" } }, { stream: true }),
  ...asked("stream-half-line", 0.01, { stream: { afterEvents: 4, end: "half-line" } }, { stream: true }),
  ...asked("stream-error", 0.01, { stream: { afterEvents: 5, end: "error" } }, { stream: true }),
  ...asked("stream-error-first", 0.01, { stream: { afterEvents: 0, end: "error" } }, { stream: true }),
  ...on("POST", ["/v1/files"], { name: "upload-html-502", probability: 0.04, preset: "html-502" }),
  ...on("POST", ["/v1/files"], { name: "upload-rate-limit", probability: 0.02, preset: "rate-limit" }),
  ...on("POST", ["/v1/files"], { name: "upload-reply-lost", probability: 0.03, drop: "after-commit" }),
  ...on("POST", ["/v1/files"], { name: "file-unseen", probability: 0.1, unseenMs: 20 * SECOND }),
  ...on("POST", CREATES, { name: "create-rate-limit", probability: 0.03, preset: "rate-limit" }),
  ...on("POST", CREATES, { name: "create-server-error", probability: 0.02, preset: "server-error" }),
  ...on("POST", CREATES, { name: "create-html-502", probability: 0.02, preset: "html-502" }),
  ...on("POST", CREATES, { name: "create-dropped-before", probability: 0.02, drop: "before" }),
  ...on("POST", CREATES, { name: "create-reply-lost", probability: 0.05, drop: "after-commit" }),
  ...on("POST", CREATES, { name: "batch-unseen", probability: 0.08, unseenMs: 20 * SECOND }),
  ...on("POST", CREATES, { name: "batch-hangs", probability: 0.04, batch: { hangs: { doneShare: 0.4 }, emptyIds: true, losesLines: 1 } }),
  ...on("POST", CREATES, { name: "batch-odd-files", probability: 0.1, batch: { emptyIds: true, crlf: true, losesLines: 2 } }),
  ...on("POST", ["/v1/batches"], { name: "batch-file-not-found-late", probability: 0.02, batch: { fails: "unseen-file", validateMs: 15 * MINUTE } }),
  ...on("POST", ["/v1/batches"], { name: "batch-token-limit", probability: 0.02, batch: { fails: "token-limit" } }),
  ...on("GET", READS, { name: "poll-server-error", probability: 0.03, preset: "server-error" }),
  ...on("GET", READS, { name: "poll-html-503", probability: 0.02, preset: "html-503" }),
  ...on("GET", READS, { name: "poll-rate-limit", probability: 0.02, preset: "rate-limit" }),
  ...on("GET", READS, { name: "poll-dropped", probability: 0.02, drop: "before" }),
  ...on("GET", READS, { name: "poll-stale", probability: 0.05, staleMs: 2 * MINUTE }),
  ...on("GET", LISTS, { name: "list-server-error", probability: 0.05, preset: "server-error" }),
  ...on("GET", DOWNLOADS, { name: "download-cut", probability: 0.06, cutShare: 0.6 }),
  ...on("GET", DOWNLOADS, { name: "download-server-error", probability: 0.03, preset: "server-error" }),
  ...on("POST", CANCELS, { name: "cancel-server-error", probability: 0.1, preset: "server-error" }),
  ...on("POST", CANCELS, { name: "cancel-reply-lost", probability: 0.1, drop: "after-commit" }),
  ...on("DELETE", ["/v1/files/:id"], { name: "delete-server-error", probability: 0.1, preset: "server-error" }),
  ...lines("line-rate-limit", 0.005, { preset: "rate-limit" }),
  ...lines("line-server-error", 0.01, { preset: "server-error" }),
  ...lines("line-overloaded", 0.005, { preset: "overloaded" }),
  ...on("POST", ["webhook"], { name: "webhook-twice", probability: 0.15, webhook: { copies: 2 } }),
  ...on("POST", ["webhook"], { name: "webhook-late", probability: 0.15, webhook: { lateMs: 10 * MINUTE } }),
  ...on("POST", ["webhook"], { name: "webhook-wrong-signature", probability: 0.1, webhook: { signature: "wrong" } }),
  ...on("POST", ["webhook"], { name: "webhook-rotated", probability: 0.1, webhook: { signature: "rotated" } }),
  ...on("POST", ["webhook"], { name: "webhook-old", probability: 0.1, webhook: { oldByMs: 10 * MINUTE } }),
];

/** The preset's rules, unlimited in number, each probability times `rate` or as named. */
export const chaosRules = (rate: number, probabilities: Readonly<Record<string, number>>): FaultRule[] =>
  CHAOS.map((rule) => ({ ...rule, times: Number.MAX_SAFE_INTEGER, probability: probabilities[rule.name] ?? Math.min(1, rule.probability * rate) }));
