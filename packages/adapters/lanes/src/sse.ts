import { BOUNDS } from "./bounds.ts";

/** One server-sent event: as it was written, and what it says. */
export interface SseEvent {
  /** With its closing blank line. */
  readonly raw: string;
  readonly event: string | null;
  /** The data lines joined by newlines; `null` for a comment. */
  readonly data: string | null;
}

const BOUNDARY = /\r\n\r\n|\n\n|\r\r/g;

/**
 * Cuts a body into events. An event without its blank line at the end of the body is passed on only when it is whole
 * (`[DONE]` or JSON); half an event is left out. Throws on an event longer than the bound, and when the source breaks off.
 */
export async function* sseEvents(parts: AsyncIterable<string>): AsyncGenerator<SseEvent> {
  let buffer = "";
  let scanned = 0;
  for await (const part of parts) {
    buffer += part;
    let start = 0;
    BOUNDARY.lastIndex = Math.max(0, scanned - 3);
    for (let match = BOUNDARY.exec(buffer); match; match = BOUNDARY.exec(buffer)) {
      const end = match.index + match[0].length;
      yield parse(buffer.slice(start, end));
      start = end;
      BOUNDARY.lastIndex = end;
    }
    buffer = buffer.slice(start);
    scanned = buffer.length;
    if (buffer.length > BOUNDS.eventChars) throw new Error(`a server-sent event is longer than ${BOUNDS.eventChars} characters`);
  }
  if (buffer.trim() === "") return;
  const last = parse(`${buffer.replace(/[\r\n]+$/, "")}\n\n`);
  if (last.data !== null && isWhole(last.data)) yield last;
}

function isWhole(data: string): boolean {
  if (data === "[DONE]") return true;
  try {
    JSON.parse(data);
    return true;
  } catch {
    return false;
  }
}

function parse(raw: string): SseEvent {
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
  return { raw, event, data: data.length === 0 ? null : data.join("\n") };
}
