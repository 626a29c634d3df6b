import { toolUse } from "./answer.ts";
import { messagesEvent } from "./events.ts";
import type { Notes } from "./fields.ts";
import { parseBag } from "./json.ts";

/** One content block in the making. */
interface Block {
  readonly kind: "text" | "refusal" | "tool";
  id: string | null;
  name: string | null;
  /** Not passed on yet. */
  held: string;
  /** A call's arguments so far. */
  said: string;
  /** Whether `said` is known to be a JSON object; `null` before anybody looked. */
  whole: boolean | null;
}

/**
 * The content blocks of a messages stream, one after the other. Chat servers may mix the pieces of several calls: pieces of a block that is
 * not yet its turn are held back until the blocks before it are whole.
 */
export class BlockQueue {
  readonly #notes: Notes;
  readonly #blocks: Block[] = [];
  readonly #byCall = new Map<number, Block>();
  /** The block whose turn it is, and whether it has been opened. */
  #head = 0;
  #open = false;
  /** Blocks that were skipped do not count in what the caller sees. */
  #skipped = 0;

  constructor(notes: Notes) {
    this.#notes = notes;
  }

  /** How many calls were begun. */
  get calls(): number {
    return this.#blocks.filter((block) => block.kind === "tool" && block.name !== null).length;
  }

  text(kind: "text" | "refusal", piece: string): void {
    if (piece === "") return;
    const last = this.#blocks.at(-1);
    if (last?.kind === kind) last.held += piece;
    else this.#blocks.push({ kind, id: null, name: null, held: piece, said: "", whole: null });
  }

  call(index: number, piece: { readonly id: string | null; readonly name: string | null; readonly args: string }): void {
    let block = this.#byCall.get(index);
    if (!block) {
      block = { kind: "tool", id: null, name: null, held: "", said: "", whole: null };
      this.#byCall.set(index, block);
      this.#blocks.push(block);
    }
    block.id ||= piece.id;
    block.name ||= piece.name;
    if (piece.args === "") return;
    if (this.#blocks.indexOf(block) < this.#head) {
      if (piece.args.trim() !== "") this.#notes.add("message.tool_calls[].function.arguments", "a piece after the end of its call dropped");
      return;
    }
    block.held += piece.args;
    block.said += piece.args;
    block.whole = null;
  }

  /** The events that can go out now; with `final` all that is left. */
  flow(final: boolean): string[] {
    const out: string[] = [];
    for (let block = this.#blocks[this.#head]; block; block = this.#blocks[this.#head]) {
      const begun = this.#open || this.#begin(block, out, final);
      if (!begun && !final) break;
      if (begun) {
        this.#pass(block, out);
        if (!final && !this.#isOver(block)) break;
        out.push(messagesEvent("content_block_stop", { index: this.#head - this.#skipped }));
      } else this.#skipped++;
      this.#open = false;
      this.#head++;
    }
    return out;
  }

  #begin(block: Block, out: string[], final: boolean): boolean {
    const index = this.#head - this.#skipped;
    if (block.kind !== "tool") {
      out.push(messagesEvent("content_block_start", { index, content_block: { type: "text", text: "", citations: null } }));
    } else if (block.name === null) {
      if (final) this.#notes.add("message.tool_calls[]", "a call without a function's name dropped");
      return false;
    } else if (block.id === null && !final) {
      return false;
    } else {
      const at = this.#blocks.filter((one) => one.kind === "tool").indexOf(block);
      out.push(messagesEvent("content_block_start", { index, content_block: toolUse(block.id ?? `call_${at}`, block.name, {}) }));
    }
    this.#open = true;
    return true;
  }

  #pass(block: Block, out: string[]): void {
    if (block.held === "") return;
    const delta = block.kind === "tool" ? { type: "input_json_delta", partial_json: block.held } : { type: "text_delta", text: block.held };
    out.push(messagesEvent("content_block_delta", { index: this.#head - this.#skipped, delta }));
    block.held = "";
  }

  /** Another block follows and nothing more can come for this one. */
  #isOver(block: Block): boolean {
    if (this.#head === this.#blocks.length - 1) return false;
    if (block.kind !== "tool") return true;
    block.whole ??= parseBag(block.said) !== null;
    return block.whole;
  }
}
