import { assert, fault } from "@slowboat/kernel";
import type { OpenedCall } from "./call-lines.ts";
import type { AnsweredRow } from "./claim-answered.ts";
import type { Sql, Store } from "./connect.ts";
import { ERRAND_SURFACE } from "./errands.ts";
import { fileLoggedAnswers, fileLoggedIntents, fileRows, type Logged, type WholeCall } from "./file-calls.ts";
import { fitting, type Most } from "./fitting.ts";
import { asParameter, fieldsOf, firstFieldOf, linesOf, plain } from "./lines.ts";
import { intentField, intentLine, intentsAttemptField, isUsual, type LoggedAnswer, type Reading, readingLine } from "./logged-lines.ts";

/**
 * The call log: what every interactive call commits while its caller waits, before its socket opens and before its answer is given. Calls that
 * commit together share its rows, which are in no index but by their number and gone within a moment: the results service files them as jobs and
 * attempts. A call that was opened and answered by then is filed as it ended, once, with its settlement. What is logged later of the same call lies in
 * a later row; what is too long for the log files its call first and is written beside it.
 */

/** What a row may hold to lie on one page of the table; a longer one is cut up and put aside piece by piece. */
const ROW_BYTES = 7_800;

/** Lines and the texts beside them, in the order in which `logOf` names them. */
interface LogRow {
  readonly columns: readonly [intents: string[], bodies: string[], decisions: string[], readings: string[], answers: string[]];
  items: number;
  bytes: number;
}

/** What calls that commit together log. */
interface LoggedWrites {
  /** Calls that are usual (`isUsual`). */
  readonly opened: readonly OpenedCall[];
  readonly answered: readonly LoggedAnswer[];
}

/**
 * Commits intents and answers of calls: one way to the server and back, and one wait for the disk, for all of them. Each number of rows is a statement
 * that the server prepares: callers bound how many items come at a time.
 */
export async function logCalls(sql: Sql, { opened, answered }: LoggedWrites, at: { readonly nowMs: number; readonly realMs: number }): Promise<void> {
  const rows: LogRow[] = [];
  for (const call of opened) {
    assert(isUsual(call), `call ${call.attempt.id} has what no call of the log has`);
    const [intent, body, decision] = [intentLine(call), plain(call.job.body ?? ""), plain(call.attempt.decision)];
    const { columns } = roomFor(rows, bytesOf(intent) + bytesOf(body) + bytesOf(decision));
    columns[0].push(intent);
    columns[1].push(body);
    columns[2].push(decision);
  }
  for (const told of answered) {
    const [reading, answer] = [readingLine(told), plain(told.body)];
    const { columns } = roomFor(rows, bytesOf(reading) + bytesOf(answer));
    columns[3].push(reading);
    columns[4].push(answer);
  }
  if (rows.length === 0) return;
  const fields = rows.flatMap((row) => [...row.columns.map(asParameter), row.items]);
  await sql.unsafe(logOf(rows.length), [at.nowMs, at.realMs, ...fields], { prepare: true });
}

const bytesOf = (text: string): number => Buffer.byteLength(text) + 1;

/** The row that a call lies in, counted in it. */
function roomFor(rows: LogRow[], bytes: number): LogRow {
  let row = rows.at(-1);
  if (row === undefined || row.bytes + bytes > ROW_BYTES) {
    row = { columns: [[], [], [], [], []], items: 0, bytes: 0 };
    rows.push(row);
  }
  row.items++;
  row.bytes += bytes;
  return row;
}

const LOGS = new Map<number, string>();
const FIELDS_OF_ROW = 6;

/** The statement that writes so many rows: $1 job time, $2 machine time, then the fields of each. */
function logOf(rows: number): string {
  const known = LOGS.get(rows);
  if (known !== undefined) return known;
  const row = (_: unknown, index: number): string => {
    const [intents, bodies, decisions, readings, answers, items] = Array.from(
      { length: FIELDS_OF_ROW },
      (_1, field) => `$${FIELDS_OF_ROW * index + field + 3}`,
    );
    return `(${intents}, ${bodies}, ${decisions}, ${readings}, ${answers}, ${items}::int, $1::float8, $2::float8)`;
  };
  const into = "call_log (intents, bodies, decisions, readings, answers, items, at_ms, at_real_ms)";
  const made = `insert into ${into} values ${Array.from({ length: rows }, row).join(", ")}`;
  LOGS.set(rows, made);
  return made;
}

/** Whoever files holds it, so that nobody files an answer before its intent. */
const LOCK = 1_953_066_081;

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
  const logIds = fitting(waiting, most).map((row) => row.id);
  if (logIds.length === 0) return { whole: [], logIds: [], filed: 0, more: false };
  const { halves, opened, answered } = paired(await read(tx, logIds));
  const { whole, apart } = await judgedByJob(tx, halves);
  await fileLoggedIntents(tx, [...opened, ...apart.map(({ openedAt }) => openedAt)]);
  await fileLoggedAnswers(tx, [...answered, ...apart.map(({ answeredAt }) => answeredAt)]);
  return { whole, logIds, filed: opened.length + answered.length + apart.length, more: isMore(waiting, logIds, most) };
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
  await fileRows(tx, ids);
  return { filed: waiting.slice(0, ids.length).reduce((sum, { items }) => sum + items, 0), more: isMore(waiting, ids, most) };
}

interface Waiting {
  readonly id: string;
  readonly items: number;
  readonly bytes: number;
}

const size = (tx: Sql) =>
  tx`id::text, items, coalesce(octet_length(intents), 0) + coalesce(octet_length(bodies), 0) + coalesce(octet_length(decisions), 0)
  + coalesce(octet_length(readings), 0) + coalesce(octet_length(answers), 0) as bytes`;

interface Lines {
  readonly id: string;
  readonly intents: string | null;
  readonly readings: string | null;
  readonly atMs: number;
}

async function read(tx: Sql, ids: readonly string[]): Promise<readonly Lines[]> {
  return await tx<Lines[]>`select id::text, intents, readings, at_ms as "atMs" from call_log where id = any(${ids as string[]}::int8[]) order by id`;
}

const isMore = (waiting: readonly Waiting[], taken: readonly string[], most: Most): boolean =>
  taken.length < waiting.length || waiting.length === most.items;

type Fields = readonly (string | null)[];

/** A call that was opened and answered. */
interface Halves {
  readonly intent: Fields;
  readonly reading: Fields;
  readonly openedAt: Logged;
  readonly answeredAt: Logged;
  /** When the answer was committed. */
  readonly atMs: number;
}

/** What was opened and answered, and what there is only one half of. */
function paired(rows: readonly Lines[]): {
  readonly halves: readonly Halves[];
  readonly opened: readonly Logged[];
  readonly answered: readonly Logged[];
} {
  const answers = new Map<string, Omit<Halves, "intent" | "openedAt">>();
  for (const { id: logId, readings, atMs } of rows)
    for (const line of linesOf(readings)) {
      const attemptId = firstFieldOf(line);
      // The first holds, should one have been logged twice.
      if (!answers.has(attemptId)) answers.set(attemptId, { reading: fieldsOf(line), answeredAt: { logId, attemptId }, atMs });
    }
  const [halves, opened]: [Halves[], Logged[]] = [[], []];
  for (const { id: logId, intents } of rows)
    for (const line of linesOf(intents)) {
      const intent = fieldsOf(line);
      const openedAt = { logId, attemptId: intent[AT.attemptId] ?? "" };
      const answer = answers.get(openedAt.attemptId);
      if (answer === undefined) opened.push(openedAt);
      else halves.push({ intent, openedAt, ...answer });
      answers.delete(openedAt.attemptId);
    }
  return { halves, opened, answered: [...answers.values()].map(({ answeredAt }) => answeredAt) };
}

/** What a call has in its intent, by the names of its columns. */
const AT = {
  jobId: intentField("id"),
  tenantId: intentField("tenant_id"),
  keyId: intentField("key_id"),
  endpoint: intentField("endpoint"),
  surface: intentField("surface"),
  model: intentField("model"),
  baselineModel: intentField("baseline_model"),
  deadlineAtMs: intentField("deadline_at_ms"),
  reuseKey: intentField("reuse_key"),
  semantic: intentField("semantic"),
  route: intentField("route"),
  acceptedAtMs: intentField("accepted_at_ms"),
  attemptId: intentsAttemptField("id"),
  lane: intentsAttemptField("lane"),
  otherModel: intentsAttemptField("model"),
  otherEndpoint: intentsAttemptField("endpoint"),
  pricesVersion: intentsAttemptField("prices_version"),
  emulated: intentsAttemptField("emulated"),
} as const;

interface TenantTerms {
  readonly id: string;
  readonly retentionDays: number;
  readonly budgeted: boolean;
}

/** Tells apart what can be filed as it ended from the attempts that settlement must look at beside their jobs. */
async function judgedByJob(tx: Sql, calls: readonly Halves[]): Promise<{ readonly whole: readonly WholeCall[]; readonly apart: readonly Halves[] }> {
  if (calls.length === 0) return { whole: [], apart: [] };
  const ids = [...new Set(calls.map(({ intent }) => intent[AT.tenantId] ?? ""))];
  const tenants = await tx<TenantTerms[]>`select id, retention_days as "retentionDays", budgeted from tenant where id = any(${ids}::text[])`;
  const byId = new Map(tenants.map((one) => [one.id, one]));
  const [whole, apart]: [WholeCall[], Halves[]] = [[], []];
  for (const call of calls) {
    const tenant = byId.get(call.intent[AT.tenantId] ?? "");
    const beside = call.intent[AT.route] !== null || call.intent[AT.surface] === ERRAND_SURFACE;
    const reading = readingOf(call.reading);
    if (tenant === undefined || tenant.budgeted || beside || isUnread(call.reading, reading)) apart.push(call);
    else whole.push({ row: rowOf(call, tenant), reading, answeredAt: call.answeredAt });
  }
  return { whole, apart };
}

function readingOf([, , , , usage = null, tier = null, finish = null, quarantine = null]: Fields): Reading {
  return { usage, tier, finish, quarantine };
}

/** A lane of somebody's own may call an answer a refusal that is none by its status: it is read beside its job. */
const isUnread = ([, status]: Fields, { usage, quarantine }: Reading): boolean => status?.[0] === "2" && usage === null && quarantine === null;

/** The row that `claimAnswered` would read, as a test holds it to, but for the answer itself. */
function rowOf({ intent, reading, atMs }: Halves, tenant: TenantTerms): AnsweredRow {
  const text = (at: number): string => intent[at] ?? "";
  const [reuseKey = null, semantic = null, deadlineAtMs = null] = [intent[AT.reuseKey], intent[AT.semantic], intent[AT.deadlineAtMs]];
  return {
    attemptId: text(AT.attemptId),
    jobId: text(AT.jobId),
    tenantId: text(AT.tenantId),
    keyId: text(AT.keyId),
    batchId: null,
    customId: null,
    endpoint: text(AT.endpoint),
    lane: text(AT.lane),
    model: text(AT.model),
    baselineModel: text(AT.baselineModel),
    otherModel: intent[AT.otherModel] ?? null,
    otherEndpoint: intent[AT.otherEndpoint] ?? null,
    surface: text(AT.surface),
    pricesVersion: text(AT.pricesVersion),
    emulated: text(AT.emulated) === "true",
    statusCode: Number(reading[1]),
    answer: null,
    sourceAttemptId: null,
    sourceUsage: null,
    answeredAtMs: atMs,
    sentAtMs: Number(text(AT.acceptedAtMs)),
    jobState: "placed",
    batchEnded: false,
    forgotten: false,
    attempts: 1,
    deadlineAtMs: deadlineAtMs === null ? null : Number(deadlineAtMs),
    callbackUrl: null,
    metadata: null,
    reuseKey: reuseKey === null ? null : Buffer.from(reuseKey, "hex"),
    semantic: semantic === null ? null : semantic === "true",
    version: 1,
    retentionDays: tenant.retentionDays,
    budgeted: false,
    route: null,
    fallbacks: null,
  };
}
