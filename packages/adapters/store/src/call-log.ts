import { fault } from "@slowboat/kernel";
import { answerLine, asParameter, fieldOfAttempt, fieldOfJob, fieldsOf, firstFieldOf, linesOf, longer, openedLine } from "./call-lines.ts";
import type { AnsweredRow } from "./claim-answered.ts";
import type { Sql, Store } from "./connect.ts";
import { ERRAND_SURFACE } from "./errands.ts";
import { fileAnswers, fileOpened, type WholeCall } from "./file-calls.ts";
import { fitting, type Most } from "./fitting.ts";
import type { CallWrites } from "./write-calls.ts";

/**
 * The call log: what every interactive call commits while its caller waits, before its socket opens and before its answer is given. Calls that
 * commit together share its rows, which are in no index but by their number and gone within a moment: the results service files them as jobs and
 * attempts. A call that was opened and answered by then is filed as it ended, once, with its settlement. What is logged later of the same call lies in
 * a later row; what is too long for the log files its call first and is written beside it.
 */

/** What a row may hold to lie on one page of the table; a longer one is cut up and put aside piece by piece. */
const ROW_BYTES = 7_800;

interface LogRow {
  readonly opened: string[];
  readonly answered: string[];
  bytes: number;
}

/**
 * Commits intents and answers of calls: one way to the server and back, and one wait for the disk, for all of them. Each number of rows is a statement
 * that the server prepares: callers bound how many items come at a time.
 */
export async function logCalls(sql: Sql, { opened, answered }: CallWrites, at: { readonly nowMs: number; readonly realMs: number }): Promise<void> {
  const rows: LogRow[] = [];
  for (const call of opened) place(rows, "opened", openedLine(call));
  for (const answer of answered) place(rows, "answered", answerLine(answer));
  if (rows.length === 0) return;
  const fields = rows.flatMap((row) => [asParameter(row.opened), asParameter(row.answered), row.opened.length + row.answered.length]);
  await sql.unsafe(logOf(rows.length), [at.nowMs, at.realMs, ...fields], { prepare: true });
}

function place(rows: LogRow[], half: "opened" | "answered", line: string): void {
  const bytes = Buffer.byteLength(line) + 1;
  let row = rows.at(-1);
  if (row === undefined || row.bytes + bytes > ROW_BYTES) {
    row = { opened: [], answered: [], bytes: 0 };
    rows.push(row);
  }
  row[half].push(line);
  row.bytes += bytes;
}

const LOGS = new Map<number, string>();

/** The statement that writes so many rows: $1 job time, $2 machine time, then the fields of each. */
function logOf(rows: number): string {
  const known = LOGS.get(rows);
  if (known !== undefined) return known;
  const row = (_: unknown, index: number): string => `($${3 * index + 3}, $${3 * index + 4}, $${3 * index + 5}::int, $1::float8, $2::float8)`;
  const made = `insert into call_log (opened, answered, items, at_ms, at_real_ms) values ${Array.from({ length: rows }, row).join(", ")}`;
  LOGS.set(rows, made);
  return made;
}

/** Whoever files holds it, so that nobody files an answer before its intent. */
const LOCK = 1_953_066_081;

interface Logged {
  readonly opened: string | null;
  readonly answered: string | null;
  readonly atMs: number;
  readonly atRealMs: number;
}

/**
 * Takes the oldest rows of the log, until they hold `items` intents and answers or `maxBytes`, and files what is not whole: open calls, answers of
 * calls that were filed before, and what settlement must judge with its job (routed calls, those of tenants with budgets). What is whole comes back
 * for `fileSettled`, in the same transaction, which takes the rows (`logIds`) out of the log. `more`: some rows were left. Takes nothing while another
 * process files.
 */
export async function claimLogged(
  tx: Sql,
  most: Most,
): Promise<{ readonly whole: readonly WholeCall[]; readonly logIds: readonly string[]; readonly filed: number; readonly more: boolean }> {
  const waiting = await tx<Waiting[]>`
    select ${size(tx)} from call_log where (select pg_try_advisory_xact_lock(${LOCK}::int)) order by call_log.id limit ${most.items}`;
  const ids = fitting(waiting, most).map((row) => row.id);
  if (ids.length === 0) return { whole: [], logIds: [], filed: 0, more: false };
  const { whole, opened, answered } = paired(await read(tx, ids));
  const apart = await judgedByJob(tx, whole);
  await fileOpened(tx, [...opened, ...apart.lines.map(({ opened: line }) => line)]);
  await fileAnswers(tx, [...answered, ...apart.lines.map(({ answer }) => answer)]);
  return {
    whole: apart.plain,
    logIds: ids,
    filed: opened.length + answered.length + apart.lines.length,
    more: isMore(waiting, ids, most),
  };
}

/** What is filed at a time where nothing is settled beside it. */
const CHUNK: Most = { items: 400, maxBytes: 16 * 1024 * 1024 };
/** A reader files no more than this many chunks, seconds of work; a longer log is the results service's. */
const READERS_CHUNKS = 200;
const RETRY_MS = 5_000;

/** The filing that is under way for a process's readers, and the one that begins after it for those who came meanwhile. */
interface Readers {
  running: Promise<void> | null;
  next: Promise<void> | null;
}
const readersOf = new WeakMap<Store, Readers>();

/**
 * Files all that is logged by now as the rows that it is, for a reader who looks for a call that may have just been made. Waits for whoever
 * files at the moment; readers of one process who come together share one filing.
 */
export async function fileCallLog(store: Store): Promise<void> {
  const readers = readersOf.get(store) ?? { running: null, next: null };
  readersOf.set(store, readers);
  const begin = (): Promise<void> => {
    const work = fileAll(store).finally(() => {
      if (readers.running === work) readers.running = null;
    });
    readers.running = work;
    return work;
  };
  if (readers.running === null) return await begin();
  // What runs may have begun before this reader's call was logged.
  readers.next ??= readers.running
    .catch(() => undefined)
    .then(() => {
      readers.next = null;
      return begin();
    });
  await readers.next;
}

async function fileAll(store: Store): Promise<void> {
  // The log is empty most of the time.
  const [last] = await store.sql<{ id: string }[]>`select id::text from call_log order by call_log.id desc limit 1`;
  if (last === undefined) return;
  for (let chunks = 0; chunks < READERS_CHUNKS; chunks++) {
    const { filed, more } = await store.begin((tx) => fileOldest(tx, CHUNK, last.id));
    if (filed === 0 || !more) return;
  }
  throw fault("overloaded", { message: "Many calls are still to be filed; try again shortly.", retryAfterMs: RETRY_MS });
}

/** Files the oldest rows of the log, up to `id` where there is one, as the rows that they are. */
export async function fileOldest(tx: Sql, most: Most, id: string | null = null): Promise<{ readonly filed: number; readonly more: boolean }> {
  await tx`select pg_advisory_xact_lock(${LOCK}::int)`;
  const waiting = await tx<Waiting[]>`
    select ${size(tx)} from call_log ${id === null ? tx`` : tx`where id <= ${id}::int8`} order by call_log.id limit ${most.items}`;
  const ids = fitting(waiting, most).map((row) => row.id);
  const logged = await take(tx, ids);
  await fileOpened(
    tx,
    logged.flatMap((row) => linesOf(row.opened)),
  );
  await fileAnswers(tx, logged.flatMap(answersOf));
  return { filed: waiting.slice(0, ids.length).reduce((sum, { items }) => sum + items, 0), more: isMore(waiting, ids, most) };
}

interface Waiting {
  readonly id: string;
  readonly items: number;
  readonly bytes: number;
}

const size = (tx: Sql) => tx`id::text, items, coalesce(octet_length(opened), 0) + coalesce(octet_length(answered), 0) as bytes`;

async function read(tx: Sql, ids: readonly string[]): Promise<readonly Logged[]> {
  return await tx<Logged[]>`
    select opened, answered, at_ms as "atMs", at_real_ms as "atRealMs" from call_log where id = any(${ids as string[]}::int8[]) order by id`;
}

async function take(tx: Sql, ids: readonly string[]): Promise<readonly Logged[]> {
  return await tx<Logged[]>`
    with taken as (delete from call_log where id = any(${ids as string[]}::int8[]) returning *)
    select opened, answered, at_ms as "atMs", at_real_ms as "atRealMs" from taken order by id`;
}

const isMore = (waiting: readonly Waiting[], taken: readonly string[], most: Most): boolean =>
  taken.length < waiting.length || waiting.length === most.items;

/** Answers with the time of their commit. */
const answersOf = ({ answered, atMs, atRealMs }: Logged): string[] => linesOf(answered).map((line) => longer(line, atMs, atRealMs));

interface Halves {
  readonly opened: string;
  readonly answer: string;
}

const ATTEMPT_ID = fieldOfAttempt("id") - 1;

/** What was opened and answered, and what was only one of them. */
function paired(rows: readonly Logged[]): {
  whole: (Halves & { readonly fields: readonly (string | null)[] })[];
  opened: string[];
  answered: string[];
} {
  const answers = new Map<string, string>();
  for (const answer of rows.flatMap(answersOf)) {
    const id = firstFieldOf(answer);
    if (!answers.has(id)) answers.set(id, answer);
  }
  const [whole, opened]: [(Halves & { fields: (string | null)[] })[], string[]] = [[], []];
  for (const line of rows.flatMap((row) => linesOf(row.opened))) {
    const fields = fieldsOf(line);
    const id = fields[ATTEMPT_ID] ?? "";
    const answer = answers.get(id);
    if (answer === undefined) opened.push(line);
    else whole.push({ opened: line, answer, fields });
    answers.delete(id);
  }
  return { whole, opened, answered: [...answers.values()] };
}

/** What a call has in its fields, by the names of its columns. */
const jobField = (name: string): number => fieldOfJob(name) - 1;
const attemptField = (name: string): number => fieldOfAttempt(name) - 1;
const AT = {
  jobId: jobField("id"),
  tenantId: jobField("tenant_id"),
  keyId: jobField("key_id"),
  batchId: jobField("batch_id"),
  customId: jobField("custom_id"),
  endpoint: jobField("endpoint"),
  surface: jobField("surface"),
  model: jobField("model"),
  baselineModel: jobField("baseline_model"),
  deadlineAtMs: jobField("deadline_at_ms"),
  callbackUrl: jobField("callback_url"),
  metadata: jobField("metadata"),
  reuseKey: jobField("reuse_key"),
  semantic: jobField("semantic"),
  route: jobField("route"),
  attempts: jobField("attempts"),
  body: jobField("body"),
  state: jobField("state"),
  lane: attemptField("lane"),
  otherModel: attemptField("model"),
  otherEndpoint: attemptField("endpoint"),
  pricesVersion: attemptField("prices_version"),
  emulated: attemptField("emulated"),
  source: attemptField("source_attempt_id"),
  sentAtMs: attemptField("sent_at_ms"),
} as const;

/** Tells apart what can be filed as it ended from what settlement must look at beside its job. */
async function judgedByJob(
  tx: Sql,
  calls: readonly (Halves & { readonly fields: readonly (string | null)[] })[],
): Promise<{ readonly plain: readonly WholeCall[]; readonly lines: readonly Halves[] }> {
  if (calls.length === 0) return { plain: [], lines: [] };
  const ids = [...new Set(calls.map(({ fields }) => fields[AT.tenantId] ?? ""))];
  const tenants = await tx<{ id: string; retentionDays: number; budgeted: boolean }[]>`
    select id, retention_days as "retentionDays", budgeted from tenant where id = any(${ids}::text[])`;
  const byId = new Map(tenants.map((one) => [one.id, one]));
  const [plain, lines]: [WholeCall[], Halves[]] = [[], []];
  for (const { fields, opened, answer } of calls) {
    const tenant = byId.get(fields[AT.tenantId] ?? "");
    const told = fieldsOf(answer);
    const beside = [AT.route, AT.batchId, AT.callbackUrl, AT.source].some((at) => fields[at] !== null) || fields[AT.surface] === ERRAND_SURFACE;
    if (tenant === undefined || tenant.budgeted || beside || fields[AT.body] === null) lines.push({ opened, answer });
    else plain.push({ row: rowOf(fields, told, tenant), answer });
  }
  return { plain, lines };
}

/** The row that `claimAnswered` would read, as a test holds it to. */
function rowOf(fields: readonly (string | null)[], told: readonly (string | null)[], tenant: { readonly retentionDays: number }): AnsweredRow {
  const [attemptId, statusCode, answer, , , answeredAtMs] = told;
  const text = (at: number): string => fields[at] ?? "";
  const number = (value: string | null | undefined): number | null => (value == null ? null : Number(value));
  const reuseKey = fields[AT.reuseKey] ?? null;
  const semantic = fields[AT.semantic] ?? null;
  return {
    attemptId: attemptId ?? "",
    jobId: text(AT.jobId),
    tenantId: text(AT.tenantId),
    keyId: text(AT.keyId),
    batchId: null,
    customId: fields[AT.customId] ?? null,
    endpoint: text(AT.endpoint),
    lane: text(AT.lane),
    model: text(AT.model),
    baselineModel: text(AT.baselineModel),
    otherModel: fields[AT.otherModel] ?? null,
    otherEndpoint: fields[AT.otherEndpoint] ?? null,
    surface: text(AT.surface),
    pricesVersion: text(AT.pricesVersion),
    emulated: text(AT.emulated) === "true",
    statusCode: Number(statusCode),
    answer: answer ?? null,
    sourceAttemptId: null,
    sourceUsage: null,
    answeredAtMs: Number(answeredAtMs),
    sentAtMs: number(fields[AT.sentAtMs]),
    jobState: text(AT.state),
    batchEnded: false,
    forgotten: false,
    attempts: Number(fields[AT.attempts]),
    deadlineAtMs: number(fields[AT.deadlineAtMs]),
    callbackUrl: null,
    metadata: fields[AT.metadata] ?? null,
    reuseKey: reuseKey === null ? null : Buffer.from(reuseKey, "hex"),
    semantic: semantic === null ? null : semantic === "true",
    version: 1,
    retentionDays: tenant.retentionDays,
    budgeted: false,
    route: null,
    fallbacks: null,
  };
}
