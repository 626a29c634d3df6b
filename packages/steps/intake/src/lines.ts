/** One line of a JSONL input. `bytes` is `null` where the line was longer than allowed and was passed over unread. */
export interface Line {
  /** 1-based. */
  readonly no: number;
  /** Byte offset of the line's first byte in the input. */
  readonly offset: number;
  /** The line without its newline (and without a carriage return before it). May be a view of the chunk: copy what outlives the step. */
  readonly bytes: Uint8Array | null;
}

const NEWLINE = 10;
const RETURN = 13;

/**
 * Cuts a stream of bytes into lines, the same wherever the chunks were cut. Memory stays at one line of at most `maxBytes`: a longer
 * one is counted and passed over. A last line without a newline counts; an empty rest does not.
 */
export async function* readLines(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Line> {
  // One byte more than a line may have, for the carriage return that is not part of it.
  const keptBytes = maxBytes + 1;
  let no = 1;
  let offset = 0;
  let parts: Uint8Array[] = [];
  let size = 0;
  const take = (piece: Uint8Array): void => {
    size += piece.length;
    if (size > keptBytes) parts = [];
    else if (piece.length > 0) parts.push(piece);
  };
  const cut = (): Line => {
    const whole = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    const bytes = whole.at(-1) === RETURN ? whole.subarray(0, -1) : whole;
    const line = { no: no++, offset, bytes: size > keptBytes || bytes.length > maxBytes ? null : bytes };
    offset += size + 1;
    parts = [];
    size = 0;
    return line;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      take(chunk.subarray(from, end));
      yield cut();
      from = end + 1;
    }
    // The chunk's memory belongs to whoever gave it; what waits for the next one is copied (a Buffer's own slice would not).
    if (from < chunk.length) take(size + chunk.length - from > keptBytes ? chunk.subarray(from) : Uint8Array.from(chunk.subarray(from)));
  }
  if (size > 0) yield cut();
}
