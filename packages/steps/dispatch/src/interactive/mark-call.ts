import type { Decision, PromptMarks } from "@slowboat/contract";
import { promptRates, routeOn } from "@slowboat/pricing";
import { cacheKeyOf, type PrefixLevel, planMarks, promptPrefix } from "@slowboat/reuse";
import { speaks } from "../prompt-cache/rates-of.ts";
import { KEY_RPM } from "../prompt-cache/traffic.ts";
import { type CallHouse, laneOf } from "./house.ts";
import type { InteractiveRequest } from "./request.ts";

/** Shorter bodies hold no prefix that a provider caches, and are not looked at. */
const SHORT_CHARS = 1_800;
const KEYS_MAX = 64;
const MINUTE_MS = 60_000;

/**
 * The decision with its markers. A caller who waits is never held back: a beginning is marked once this process has seen it often enough
 * for the write to pay, and instructions get a cache key that stays the same through a conversation.
 */
export function markedDecision(house: CallHouse, request: InteractiveRequest, decision: Decision, inputTokens: number): Decision {
  const { endpoint, tenantId, value } = request;
  // A model that stands in may never be asked this again.
  if (request.body.length < SHORT_CHARS || decision.fallback !== undefined) return decision;
  const route = routeOn(decision.lane, request.model.candidates);
  if (route === null || !speaks(route.provider, endpoint)) return decision;
  const levels = promptPrefix({ tenantId, endpoint, value });
  const [outermost] = levels ?? [];
  if (levels === null || outermost === undefined) return decision;
  const nowMs = house.time.clock.job();
  const scope = `${laneOf(house, decision.lane).account}|${decision.model}`;
  const reuseOf = ({ key }: PrefixLevel) => ({ waiting: 0, ...house.prompts.evidence(`${scope}|${key}`, nowMs), warm: false });
  const rates = promptRates(house.book, route, inputTokens, nowMs);
  const marks = planMarks({ levels, provider: route.provider, model: decision.model, endpoint, rates, reuseOf, single: false });
  const rate = perMinute(reuseOf(outermost));
  for (const { key } of levels) house.prompts.saw(`${scope}|${key}`, nowMs);
  if (marks === null) return decision;
  const cacheKey = marks.cacheKey === null ? null : keyFor(marks.cacheKey, request, rate);
  return { ...decision, promptCache: { ...marks, cacheKey } };
}

const perMinute = ({ seen, overMs }: { readonly seen: number; readonly overMs: number }): number => (seen * MINUTE_MS) / Math.max(MINUTE_MS, overMs);

/** Conversations are dealt to as many keys as the rate asks for, in powers of two, each conversation always to the same one. */
function keyFor(cacheKey: NonNullable<PromptMarks["cacheKey"]>, request: InteractiveRequest, rate: number): string {
  const keys = Math.min(KEYS_MAX, 2 ** Math.ceil(Math.log2(Math.max(1, rate / KEY_RPM))));
  return cacheKeyOf({ key: cacheKey.slice(3) }, conversationOf(request) % keys);
}

/** A number that a conversation keeps: from its first message by the caller. */
function conversationOf({ value }: InteractiveRequest): number {
  const items = Array.isArray(value["messages"]) ? value["messages"] : Array.isArray(value["input"]) ? value["input"] : [value["input"]];
  const first = items.find((item: unknown) => (item as { role?: unknown } | null)?.role === "user") ?? items[0];
  let number = 0;
  for (const char of (JSON.stringify(first) ?? "").slice(0, 2_000)) number = (Math.imul(number, 31) + (char.codePointAt(0) ?? 0)) >>> 0;
  return number;
}
