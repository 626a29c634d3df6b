import type { Agent } from "undici";
import { BOUNDS } from "./bounds.ts";
import { classify, failureCode, messageOf } from "./classify.ts";
import { asRecord, parseObject } from "./json.ts";
import { LaneError } from "./port.ts";
import { textOf } from "./reply.ts";
import { type Limit, limit, openWire, type Wire } from "./wire.ts";

/** What a batch call does at the provider, and how long it may take. */
export interface Act {
  /** For messages: "create a batch". */
  readonly what: string;
  /** True where a lost reply may hide a batch that now exists and costs money. */
  readonly creates?: boolean;
  readonly timeoutMs?: number;
}

/** Runs one batch call on a watched connection; whatever goes wrong comes out as a `LaneError`. */
export async function act<T>(agent: Agent, signal: AbortSignal, options: Act, work: (wire: Wire, signal: AbortSignal) => Promise<T>): Promise<T> {
  const wire = openWire(agent);
  const bound = limit(signal, options.timeoutMs ?? BOUNDS.controlMs);
  try {
    return await work(wire, bound.signal);
  } catch (error) {
    throw laneError(options, wire, bound, error);
  } finally {
    bound.clear();
  }
}

/** The HTTP status of a refused batch call, or `null`. */
export const statusOf = (error: unknown): number | null => (error instanceof LaneError && error.cause instanceof Refused ? error.cause.status : null);

class Refused extends Error {
  readonly status: number;
  constructor(status: number, cause: unknown) {
    super(`status ${status}`, { cause });
    this.status = status;
  }
}

function laneError(options: Act, wire: Wire, bound: Limit, error: unknown): LaneError {
  if (error instanceof LaneError) return error;
  if (wire.refusal) {
    const verdict = classify(wire.refusal, Date.now());
    const { status } = wire.refusal;
    // A gateway that lost its backend cannot know whether the backend created the batch.
    const maybe = options.creates === true && (status === 500 || status === 502 || status === 504);
    const said = asRecord(parseObject(wire.refusal.text)?.["error"])?.["message"];
    const message = `cannot ${options.what}: ${status} ${verdict.code}${typeof said === "string" ? `: ${said.slice(0, 500)}` : ""}`;
    return new LaneError(message, {
      outcome: maybe ? "unknown" : "refused",
      retry: verdict.retry,
      code: verdict.code,
      cause: new Refused(status, error),
    });
  }
  const code = failureCode(bound, error);
  const outcome = !wire.sent ? "unsent" : options.creates === true ? "unknown" : "refused";
  return new LaneError(`cannot ${options.what}: ${code}: ${messageOf(error)}`, { outcome, retry: "later", code, cause: error });
}

/**
 * Opens a download and yields its lines as they arrive, without their line ends; `null` stands for a line longer than the
 * bound, whose text was let go. Throws a `LaneError` when the download is refused, falls silent or breaks off.
 */
export async function* lines(
  agent: Agent,
  signal: AbortSignal,
  what: string,
  open: (wire: Wire, signal: AbortSignal) => Promise<Response>,
): AsyncGenerator<string | null> {
  const wire = openWire(agent);
  const bound = limit(signal, BOUNDS.controlMs);
  try {
    const response = await open(wire, bound.signal);
    for await (const line of splitLines(quiet(textOf(response), bound))) yield line;
  } catch (error) {
    throw laneError({ what }, wire, bound, error);
  } finally {
    bound.clear();
  }
}

/** Passes parts on; only the time spent waiting for the provider counts towards the silence bound. */
async function* quiet(parts: AsyncGenerator<string>, bound: Limit): AsyncGenerator<string> {
  bound.renew(BOUNDS.downloadIdleMs);
  for await (const part of parts) {
    bound.pause();
    yield part;
    bound.renew(BOUNDS.downloadIdleMs);
  }
}

async function* splitLines(parts: AsyncIterable<string>): AsyncGenerator<string | null> {
  let held: string[] = [];
  let heldChars = 0;
  let overlong = false;
  const take = (): string | null => {
    const line = overlong ? null : held.join("").replace(/\r$/, "");
    held = [];
    heldChars = 0;
    overlong = false;
    return line;
  };
  const hold = (piece: string): void => {
    heldChars += piece.length;
    overlong ||= heldChars > BOUNDS.rowChars;
    if (overlong) held = [];
    else held.push(piece);
  };
  for await (const part of parts) {
    let start = 0;
    for (let end = part.indexOf("\n"); end >= 0; end = part.indexOf("\n", start)) {
      hold(part.slice(start, end));
      start = end + 1;
      const line = take();
      if (line === null || line.trim() !== "") yield line;
    }
    if (start < part.length) hold(part.slice(start));
  }
  const last = take();
  if (last === null || last.trim() !== "") yield last;
}

/** A body that is sent piece by piece, with its length, since some gateways refuse chunked uploads. */
export interface LongBody extends AsyncIterable<Uint8Array> {
  readonly sizeBytes: number;
}

/** Joins text pieces into blocks of about 64 KiB; `pieces` is walked twice, once to count. */
export function longBody(pieces: () => Iterable<string>): LongBody {
  let sizeBytes = 0;
  for (const piece of pieces()) sizeBytes += Buffer.byteLength(piece);
  return {
    sizeBytes,
    async *[Symbol.asyncIterator]() {
      let block: string[] = [];
      let chars = 0;
      for (const piece of pieces()) {
        block.push(piece);
        chars += piece.length;
        if (chars < 65_536) continue;
        yield Buffer.from(block.join(""));
        block = [];
        chars = 0;
      }
      if (chars > 0) yield Buffer.from(block.join(""));
    },
  };
}
