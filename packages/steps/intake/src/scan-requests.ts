import { type Fault, fault, LIMITS } from "@slowboat/kernel";

/** One element of the `requests` array: its place in the body in bytes, and its text. */
export interface ScannedElement {
  /** 0-based place in the array. */
  readonly index: number;
  /** Byte offset of the element's first byte in the body. */
  readonly offset: number;
  readonly text: string;
  readonly value: unknown;
}

/** Takes a body in pieces of any size; whatever is wrong with it is thrown as a fault from `push` or `end`. */
export interface RequestsScanner {
  /** The elements that this piece completed. */
  push(chunk: Uint8Array): ScannedElement[];
  /** Bytes of the element that is not complete yet, which are held. */
  held(): number;
  /** Checks that the body was whole; returns how many elements there were, and the body's other members. */
  end(): { readonly count: number; readonly rest: Readonly<Record<string, unknown>> };
}

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const COLON = 58;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;
const isOpen = (byte: number): boolean => byte === 123 || byte === OPEN_ARRAY;
const isClose = (byte: number): boolean => byte === 125 || byte === CLOSE_ARRAY;
const isSpace = (byte: number): boolean => byte === 32 || byte === 10 || byte === 13 || byte === 9;
/** Everything of the body but the array's elements; a handful of bytes in any honest request. */
const FRAME_BYTES_MAX = 64 * 1024;

const badJson = (cause?: unknown): Fault => fault("invalid-json", { message: "The request body is not valid JSON.", cause });

/**
 * Finds the elements of the top-level `requests` array of a JSON object without holding the body: memory stays at one
 * element. What lies outside the array is kept aside as a small frame and parsed at the end, each element is parsed when it
 * closes, so the whole body has been checked as JSON by the time `end` returns.
 */
export function requestsScanner(elementBytesMax: number = LIMITS.lineBytes): RequestsScanner {
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const frame: number[] = [];
  let where: "frame" | "gap" | "element" = "frame";
  let seenArray = false;
  let wantsValue = true;
  let count = 0;
  let consumed = 0;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let scalar = false;
  let keyStart = -1;
  let key: string | null = null;
  let elementStart = 0;
  let parts: Uint8Array[] = [];
  let partBytes = 0;

  const inFrame = (byte: number): void => {
    if (frame.push(byte) > FRAME_BYTES_MAX) throw fault("body-too-large", { message: "The request is larger outside 'requests' than is allowed." });
    if (inString) {
      if (escaped) escaped = false;
      else if (byte === BACKSLASH) escaped = true;
      else if (byte === QUOTE) {
        inString = false;
        if (depth === 1 && key === null) key = decodeKey(frame.slice(keyStart));
      }
      return;
    }
    if (byte === QUOTE) {
      inString = true;
      keyStart = frame.length - 1;
    } else if (byte === OPEN_ARRAY && depth === 1 && key === "requests" && lastToken(frame) === COLON) {
      if (seenArray) throw fault("invalid-request", { param: "requests", message: "requests: Field given twice" });
      seenArray = true;
      wantsValue = true;
      where = "gap";
    } else if (isOpen(byte)) depth++;
    else if (isClose(byte)) depth--;
    else if (byte === COMMA && depth === 1) key = null;
    if (depth < 0 || depth > LIMITS.jsonDepth) throw depth < 0 ? badJson() : fault("json-too-deep");
  };

  const inGap = (byte: number): void => {
    if (isSpace(byte)) return;
    if (byte === CLOSE_ARRAY && (!wantsValue || count === 0)) {
      frame.push(byte);
      where = "frame";
    } else if (byte === COMMA && !wantsValue) wantsValue = true;
    else throw badJson();
  };

  const finish = (): ScannedElement => {
    const bytes = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    parts = [];
    partBytes = 0;
    where = "gap";
    wantsValue = false;
    if (count >= LIMITS.messageBatchRequests) {
      throw fault("body-too-large", { param: "requests", message: `requests: List should have at most ${LIMITS.messageBatchRequests} items` });
    }
    try {
      const text = utf8.decode(bytes);
      return { index: count++, offset: elementStart, text, value: JSON.parse(text) };
    } catch (cause) {
      throw badJson(cause);
    }
  };

  /** The index after the element's last byte in this chunk, or -1 when it goes on in the next. */
  const endInChunk = (chunk: Uint8Array, from: number): number => {
    for (let i = from; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) {
          inString = false;
          if (depth === 1) return i + 1;
        }
      } else if (scalar) {
        if (byte === COMMA || byte === CLOSE_ARRAY || isSpace(byte)) return i;
      } else if (byte === QUOTE) inString = true;
      else if (isOpen(byte)) {
        if (++depth > LIMITS.jsonDepth + 1) throw fault("json-too-deep");
      } else if (isClose(byte) && --depth === 1) return i + 1;
    }
    return -1;
  };

  const push = (chunk: Uint8Array): ScannedElement[] => {
    const done: ScannedElement[] = [];
    for (let i = 0; i < chunk.length; ) {
      const byte = chunk[i] as number;
      if (where === "frame") {
        inFrame(byte);
        i++;
      } else if (where === "gap" && (isSpace(byte) || byte === COMMA || byte === CLOSE_ARRAY || !wantsValue)) {
        inGap(byte);
        i++;
      } else {
        if (where === "gap") {
          where = "element";
          elementStart = consumed + i;
          scalar = byte !== QUOTE && !isOpen(byte);
        }
        const end = endInChunk(chunk, i);
        const part = chunk.subarray(i, end < 0 ? chunk.length : end);
        partBytes += part.length;
        if (partBytes > elementBytesMax) {
          throw fault("body-too-large", {
            param: `requests.${count}`,
            message: `requests.${count}: a request may have at most ${elementBytesMax} bytes.`,
          });
        }
        // A chunk's memory belongs to whoever gave it; what outlives this call is copied.
        parts.push(end < 0 ? part.slice() : part);
        i += part.length;
        if (end >= 0) done.push(finish());
      }
    }
    consumed += chunk.length;
    return done;
  };

  const end: RequestsScanner["end"] = () => {
    if (where !== "frame") throw badJson();
    let body: unknown;
    try {
      body = JSON.parse(utf8.decode(Uint8Array.from(frame)));
    } catch (cause) {
      throw badJson(cause);
    }
    if (typeof body !== "object" || body === null || Array.isArray(body))
      throw fault("invalid-request", { message: "Input should be a valid dictionary" });
    if (!seenArray || !Array.isArray((body as Record<string, unknown>)["requests"])) {
      const given = Object.hasOwn(body, "requests");
      throw fault("invalid-request", { param: "requests", message: given ? "requests: Input should be a valid list" : "requests: Field required" });
    }
    if (count === 0) {
      throw fault("invalid-request", { param: "requests", message: "requests: List should have at least 1 item after validation, not 0" });
    }
    const { requests: _requests, ...rest } = body as Record<string, unknown>;
    return { count, rest };
  };
  return { push, held: () => partBytes, end };
}

const decodeKey = (bytes: readonly number[]): string => {
  try {
    return String(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch (cause) {
    throw badJson(cause);
  }
};

/** The last byte before the one just pushed that is no space. */
const lastToken = (frame: readonly number[]): number => {
  for (let i = frame.length - 2; i >= 0; i--) if (!isSpace(frame[i] as number)) return frame[i] as number;
  return -1;
};
