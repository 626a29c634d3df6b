import { fault } from "@slowboat/kernel";
import type { ResolvedModel } from "@slowboat/pricing";
import type { Context } from "hono";
import type { AppEnv } from "../http/env.ts";
import { listLimit } from "./list-limit.ts";

/** A model as the Models API of Anthropic shows it; what only the provider knows of it is `null`, and its release an epoch. */
export const claudeObject = (name: string): Record<string, unknown> => ({
  type: "model",
  id: name,
  display_name: name,
  created_at: "1970-01-01T00:00:00Z",
  capabilities: null,
  deprecated_at: null,
  lifecycle: "active",
  line: null,
  max_input_tokens: null,
  max_tokens: null,
  retires_at: null,
});

/** True for a model that this API's callers can name. */
export const answersMessages = (model: ResolvedModel): boolean => model.endpoints.includes("/v1/messages");

/** A page of the models of these names, which it reads in their order: `limit`, `after_id`, `before_id`. */
export function claudePage(c: Context<AppEnv>, names: readonly string[]): Record<string, unknown> {
  const limit = listLimit(c.req.query("limit"));
  const after = placeOf(c.req.query("after_id"), "after_id", names);
  const before = placeOf(c.req.query("before_id"), "before_id", names);
  const start = before === null ? (after ?? -1) + 1 : Math.max((after ?? -1) + 1, before - limit);
  const end = Math.min(start + limit, before ?? names.length);
  const page = names.slice(start, end);
  const more = before === null ? end < names.length : start > (after ?? -1) + 1;
  return { data: page.map(claudeObject), has_more: more, first_id: page[0] ?? null, last_id: page.at(-1) ?? null };
}

function placeOf(id: string | undefined, param: string, names: readonly string[]): number | null {
  if (id === undefined) return null;
  const place = names.indexOf(id);
  if (place < 0) throw fault("invalid-request", { param, message: `${param}: '${id.slice(0, 64)}' is not a model id` });
  return place;
}
