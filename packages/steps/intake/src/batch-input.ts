import type { BlobStore } from "@slowboat/blob";
import { type Endpoint, type LaneId, readNames, storedModelRule, storedNames } from "@slowboat/contract";
import { isFault, LIMITS, type Rng } from "@slowboat/kernel";
import type { PriceBook } from "@slowboat/pricing";
import { storedWish } from "@slowboat/reuse";
import type { PopulatingBatch, RouteBook } from "@slowboat/store";
import { type BatchEntry, type InputError, inputError, readBatchLine } from "./batch-line.ts";
import { readDeadline } from "./deadline.ts";
import { readLines } from "./lines.ts";
import { messageRequest } from "./message-request.ts";
import { checkFallbacks, takeOwn } from "./own-members.ts";
import { type JudgedRequest, judgeRequest, tierWishes } from "./request.ts";
import { requestsScanner } from "./scan-requests.ts";
import { jobKeyOf } from "./submit.ts";

/** A line that passed, in as few bytes as will do: fifty thousand of them are held while the input is read. */
export interface CheckedLine {
  readonly no: number;
  readonly customId: string;
  readonly offset: number;
  readonly bytes: number;
  /** The line's own deadline in job time; `null` where the batch's counts. */
  readonly ownDeadlineAtMs: number | null;
  /** True where the body says something to us, of which it must be rid before it runs. */
  readonly ownMembers: boolean;
  /** `null` for a request that can never run; then `error` says why. */
  readonly judged: JudgedRequest | null;
  /** The lanes that the line's own `service_tier` asks for; what the batch says comes first. */
  readonly tierAllow: readonly LaneId[] | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** All of a batch's lines, or everything that is wrong with them. */
export type CheckedInput = { readonly lines: readonly CheckedLine[]; readonly model: string | null } | { readonly errors: readonly InputError[] };

/** What lines are judged by. */
export interface LineHouse {
  readonly book: PriceBook;
  readonly lanes: readonly LaneId[];
  /** The tenant's aliases. */
  readonly routes: RouteBook;
  readonly rng: Rng;
}

const whole = (code: string, message: string, param: string | null = null): InputError => ({ code, message, param, line: null });

/**
 * Reads a batch's whole input once and judges every line: either all of them can become jobs, or the errors list every bad one. In a
 * batch of messages what is wrong with a request's params fails that request alone. Memory is a small record a line.
 */
export async function checkInput(blob: BlobStore, house: LineHouse, batch: PopulatingBatch, signal: AbortSignal): Promise<CheckedInput> {
  if (batch.inputBlobKey === "") {
    return {
      errors: [whole("invalid_request", `Cannot find file ${batch.inputFileId ?? ""}, or it was not uploaded with purpose 'batch'.`, "file_id")],
    };
  }
  const tolerant = batch.surface === "anthropic";
  const entries = tolerant ? messageEntries(blob.get(batch.inputBlobKey)) : lineEntries(blob.get(batch.inputBlobKey), batch.endpoint);
  const most = tolerant ? LIMITS.messageBatchRequests : LIMITS.batchLines;
  const judge = lineJudge(house, batch, tolerant);
  const lines: CheckedLine[] = [];
  const errors: InputError[] = [];
  for await (const entry of entries) {
    signal.throwIfAborted();
    const checked = "code" in entry ? entry : judge(entry);
    if ("code" in checked) {
      if (errors.length < LIMITS.listedLineErrors) errors.push(checked);
    } else if (errors.length === 0) lines.push(checked);
    else lines.length = 0;
    if (lines.length > most) return { errors: [whole("invalid_request", `The input holds more than ${most} requests.`)] };
  }
  if (errors.length > 0) return { errors };
  if (lines.length === 0) return { errors: [whole("invalid_request", "The input holds no request.")] };
  const models = new Set(lines.map((line) => line.judged?.model.model));
  return { lines, model: models.size === 1 ? (lines[0]?.judged?.model.model ?? null) : null };
}

async function* lineEntries(chunks: AsyncIterable<Uint8Array>, endpoint: string): AsyncGenerator<BatchEntry | InputError> {
  for await (const line of readLines(chunks, LIMITS.lineBytes)) {
    const entry = readBatchLine(line, endpoint);
    if (entry !== null) yield entry;
  }
}

/** The requests of a message batch; their frame was checked when the batch was accepted. */
async function* messageEntries(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<BatchEntry> {
  const scanner = requestsScanner();
  for await (const chunk of chunks) {
    for (const element of scanner.push(chunk)) {
      const { customId, params, offset, bytes, value } = messageRequest(element);
      yield { no: element.index + 1, customId, offset, bytes, text: params, value };
    }
  }
}

/** What the lines of one input are judged by. */
export type LineTerms = Pick<
  PopulatingBatch,
  "tenantId" | "keyId" | "endpoint" | "allowUnpriced" | "reuseMode" | "fallbacks" | "tenantFallbacks" | "tenantModels" | "metadata" | "createdAtMs"
>;

/** Judges the lines of one input, each in turn; `tolerant` where what is wrong with a request is its own affair, as in a batch of messages. */
export function lineJudge(house: LineHouse, batch: LineTerms, tolerant: boolean): (entry: BatchEntry) => CheckedLine | InputError {
  const seen = new Set<string>();
  const who = {
    tenantId: batch.tenantId,
    keyId: batch.keyId,
    allowUnpriced: batch.allowUnpriced,
    cache: storedWish(batch.reuseMode),
  } as const;
  const routing = { routes: house.routes, rng: house.rng, jobKey: jobKeyOf(metadataOf(batch)) };
  const chain = { batch: storedNames(batch.fallbacks), defaults: storedNames(batch.tenantFallbacks), rule: storedModelRule(batch.tenantModels) };
  const mixed = tolerant || metadataOf(batch)["mixed_models"] === "true";
  let model: string | null = null;
  return (entry) => {
    const { no, customId, offset, bytes } = entry;
    if (seen.has(customId))
      return { code: "duplicate_custom_id", message: "This custom_id was used by an earlier line of the file.", param: "custom_id", line: no };
    seen.add(customId);
    try {
      checkFallbacks(batch.endpoint as Endpoint, entry.value, "body.fallbacks");
      const { deadline, fallbacks: own, text } = takeOwn(entry.text, entry.value);
      const ownDeadlineAtMs = deadline === undefined ? null : readDeadline(deadline, batch.createdAtMs, "body.metadata.deadline");
      const names = own === null ? chain.batch : readNames(own, "body.fallbacks");
      const fallbacks = { names, param: "body.fallbacks", defaults: chain.defaults, rule: chain.rule };
      const judged = judgeRequest(
        house.book,
        { endpoint: batch.endpoint as Endpoint, value: entry.value, text, bytes },
        { ...who, fallbacks, routing },
      );
      model ??= judged.model.model;
      if (!mixed && judged.model.model !== model) {
        return {
          code: "mismatched_model",
          message: `All lines of a batch use one model; the first is for '${model}'. Set metadata.mixed_models to "true" to mix them.`,
          param: "body.model",
          line: no,
        };
      }
      return {
        no,
        customId,
        offset,
        bytes,
        ownDeadlineAtMs,
        ownMembers: deadline !== undefined || own !== null || judged.routedText !== null,
        judged: { ...judged, routedText: null },
        tierAllow: tierWishes(entry.value["service_tier"], house.lanes)?.allow ?? null,
        error: null,
      };
    } catch (thrown) {
      if (!tolerant) return inputError(thrown, no);
      if (!isFault(thrown) || thrown.status >= 500) throw thrown;
      return {
        no,
        customId,
        offset,
        bytes,
        ownDeadlineAtMs: null,
        ownMembers: false,
        judged: null,
        tierAllow: null,
        error: { code: thrown.code, message: thrown.message },
      };
    }
  };
}

/** A batch's metadata; its values are texts. */
export const metadataOf = (batch: { readonly metadata: string | null }): Readonly<Record<string, string>> =>
  batch.metadata === null ? {} : (JSON.parse(batch.metadata) as Record<string, string>);
