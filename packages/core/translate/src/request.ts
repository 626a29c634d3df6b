import type { Endpoint } from "@slowboat/contract";
import { chatToMessages } from "./chat-to-messages.ts";
import { Fields, Notes, Untranslatable } from "./fields.ts";
import { type Bag, parseBag } from "./json.ts";
import { messagesToChat } from "./messages-to-chat.ts";
import type { Target } from "./target.ts";

/** The endpoints that this room translates between. */
export type TranslatableEndpoint = "/v1/chat/completions" | "/v1/messages";

/** A request in the other API's shape, or the field of the caller's that has no counterpart there. */
export type TranslatedRequest =
  | {
      readonly kind: "translated";
      readonly body: string;
      /** What was left out or changed, `field: what`; empty when nothing was. */
      readonly notes: readonly string[];
    }
  | { readonly kind: "untranslatable"; readonly field: string; readonly why: string };

/** Whether this room speaks an endpoint at all. */
export const isTranslatable = (endpoint: Endpoint): endpoint is TranslatableEndpoint =>
  endpoint === "/v1/chat/completions" || endpoint === "/v1/messages";

/** Whether a caller of one endpoint may be answered by a model behind the other; an endpoint needs no translation to itself. */
export const canTranslate = (from: Endpoint, to: Endpoint): boolean => from !== to && isTranslatable(from) && isTranslatable(to);

/** Members of ours that no provider sees; they stay with the request for the lane to read and take off. */
const OURS = /^slowboat(?:$|[_-])/;

/**
 * A request to one API as a request to the other, for the target's model. Texts, images, tools, ids and the digits of numbers are kept;
 * what may be left out is left out with a note; what changes the meaning makes the request untranslatable. Never throws.
 */
export function translateRequest(from: Endpoint, to: Endpoint, body: string, target: Target): TranslatedRequest {
  if (!canTranslate(from, to)) return { kind: "untranslatable", field: "endpoint", why: `${from} has no counterpart in ${to}` };
  const bag = parseBag(body);
  if (!bag) return { kind: "untranslatable", field: "body", why: "is no JSON object, or nested too deep" };
  const notes = new Notes();
  const fields = new Fields(bag, "", notes);
  try {
    const ours: Bag = {};
    for (const key of fields.left()) if (OURS.test(key)) ours[key] = fields.take(key);
    const out = to === "/v1/messages" ? chatToMessages(fields, target) : messagesToChat(fields, target);
    fields.end();
    return { kind: "translated", body: JSON.stringify({ ...ours, ...out }), notes: notes.list() };
  } catch (error) {
    if (error instanceof Untranslatable) return { kind: "untranslatable", field: error.field, why: error.why };
    throw error;
  }
}
