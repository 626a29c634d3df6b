import { hexOf, sha256 } from "@slowboat/kernel";
import type { Notes } from "./fields.ts";

const MESSAGES_ID = /^[a-zA-Z0-9_-]+$/;
const CHAT_ID_CHARS = 40;

/** An id that `tool_use` blocks may have: letters, digits, `_` and `-`. */
export const forMessages = (id: string): string => (MESSAGES_ID.test(id) ? id : id === "" ? "call" : id.replace(/[^a-zA-Z0-9_-]/g, "_"));

/** An id that chat tool calls may have: at most 40 characters. */
export const forChat = (id: string): string => (id.length <= CHAT_ID_CHARS ? id : `call_${hexOf(sha256(id)).slice(0, 32)}`);

/**
 * Keeps the ids of one conversation's tool calls. An id stays as it is unless the target refuses it or an earlier call had it already
 * (some servers count from zero in every turn); a result gets the id of the latest call that had its own.
 */
export class ToolIds {
  readonly #fit: (id: string) => string;
  readonly #notes: Notes;
  readonly #now = new Map<string, string>();
  readonly #used = new Set<string>();
  readonly #times = new Map<string, number>();

  constructor(fit: (id: string) => string, notes: Notes) {
    this.#fit = fit;
    this.#notes = notes;
  }

  call(id: string, field: string): string {
    let out = this.#fit(id);
    while (this.#used.has(out)) {
      const times = (this.#times.get(id) ?? 1) + 1;
      this.#times.set(id, times);
      out = this.#fit(`${id}_${times}`);
    }
    if (out !== id) this.#notes.add(field, "changed with its results, since the other API refuses the id or another call has it");
    this.#used.add(out);
    this.#now.set(id, out);
    return out;
  }

  /** `null` for a result of a call that the conversation does not have. */
  result(id: string): string | null {
    return this.#now.get(id) ?? null;
  }
}
