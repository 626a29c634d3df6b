/** One server-sent event: its name and its data lines joined by newlines; `data` is `null` for a comment. */
export interface ServerEvent {
  readonly event: string | null;
  readonly data: string | null;
}

/** Where a stream stands: going on, finished by the provider, ended by an error that it said, or broken off. */
export type StreamOutcome = "open" | "whole" | "failed" | "cut";

/** What one direction does with the provider's events. After `whole` or `failed` it is asked no more. */
export interface EventTranslator {
  event(event: ServerEvent): { readonly out: string[]; readonly outcome: StreamOutcome };
  /** Whether the events so far are a whole answer although the provider did not say so. */
  end(): { readonly out: string[]; readonly outcome: "whole" | "cut" };
}

/** Cuts text into events, however it was cut before. A piece may hold no event, half of one or several. */
export class EventReader {
  #rest = "";

  push(text: string): ServerEvent[] {
    this.#rest += text;
    const events: ServerEvent[] = [];
    const boundary = /\r\n\r\n|\n\n|\r\r(?!\n)/g;
    let start = 0;
    for (let match = boundary.exec(this.#rest); match; match = boundary.exec(this.#rest)) {
      const end = match.index + match[0].length;
      events.push(parse(this.#rest.slice(start, end)));
      start = end;
    }
    this.#rest = this.#rest.slice(start);
    return events;
  }

  /** What stands after the last blank line; half an event is left for the caller to judge. */
  end(): ServerEvent[] {
    const rest = this.#rest;
    this.#rest = "";
    return rest.trim() === "" ? [] : [parse(rest)];
  }
}

function parse(raw: string): ServerEvent {
  let event: string | null = null;
  const data: string[] = [];
  for (const line of raw.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const field = line.slice(0, colon);
    const value = line.slice(line.charAt(colon + 1) === " " ? colon + 2 : colon + 1);
    if (field === "event") event = value;
    else if (field === "data") data.push(value);
  }
  return { event, data: data.length === 0 ? null : data.join("\n") };
}

/** A chat event. */
export const chatEvent = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;

/** A messages event, named by its type. */
export const messagesEvent = (type: string, rest: object = {}): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
