import type { AnswerContext } from "./answer.ts";
import { EventReader, type EventTranslator, type ServerEvent, type StreamOutcome } from "./events.ts";
import { Notes } from "./fields.ts";
import type { TranslatableEndpoint } from "./request.ts";
import { ChatStream } from "./stream-to-chat.ts";
import { streamToMessages } from "./stream-to-messages.ts";

/** Turns a provider's server-sent events into those of the caller's API, as they come. */
export interface StreamTranslator {
  /** Raw event text as the provider wrote it, cut anywhere; the caller's events that it makes, each with its blank line. */
  push(eventText: string): string[];
  /**
   * To be called when the provider's stream is over, however it ended. A stream that was cut gets no mark of an end: `outcome` says so and
   * the caller's error event is for whoever serves the stream to write.
   */
  end(): string[];
  readonly outcome: StreamOutcome;
  /** What was left out so far. */
  notes(): readonly string[];
}

/** A translator for one stream between two different endpoints. */
export function createStreamTranslator(fromWire: TranslatableEndpoint, toCaller: TranslatableEndpoint, context: AnswerContext): StreamTranslator {
  const notes = new Notes();
  const reader = new EventReader();
  const inner = translatorOf(fromWire, toCaller, context, notes);
  let outcome: StreamOutcome = "open";
  const read = (events: readonly ServerEvent[]): string[] => {
    const out: string[] = [];
    for (const event of events) {
      if (outcome !== "open") break;
      const step = inner.event(event);
      out.push(...step.out);
      outcome = step.outcome;
    }
    return out;
  };
  return {
    push: (eventText) => (outcome === "open" ? read(reader.push(eventText)) : []),
    end: () => {
      const out = read(reader.end());
      if (outcome !== "open") return out;
      const last = inner.end();
      outcome = last.outcome;
      return [...out, ...last.out];
    },
    get outcome() {
      return outcome;
    },
    notes: () => notes.list(),
  };
}

function translatorOf(from: TranslatableEndpoint, to: TranslatableEndpoint, context: AnswerContext, notes: Notes): EventTranslator {
  if (from === to) throw new Error("invariant broken: a stream needs no translation to its own API");
  return to === "/v1/messages" ? streamToMessages(context, notes) : new ChatStream(context, notes);
}
