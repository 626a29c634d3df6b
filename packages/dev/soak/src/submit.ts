import type { Caller, Reply } from "./caller.ts";
import type { Task } from "./workload.ts";

/** What was accepted, by the ids that the API gave for it. */
export interface Accepted {
  readonly calls: { answered: number; failed: number; unanswered: number };
  /** Submissions made twice under one Idempotency-Key that came to two different things. */
  twins: number;
  readonly jobs: { readonly id: string; readonly callback: boolean }[];
  readonly batches: {
    readonly id: string;
    readonly surface: "openai" | "anthropic";
    readonly customIds: readonly string[];
    readonly callback: boolean;
  }[];
}

export const nothingAccepted = (): Accepted => ({ calls: { answered: 0, failed: 0, unanswered: 0 }, twins: 0, jobs: [], batches: [] });

/** Does one task: a call to its end, a job or a batch until it is accepted. */
export async function submit(caller: Caller, callbackUrl: string, accepted: Accepted, task: Task): Promise<void> {
  if (task.kind === "call") return note(accepted, task, await caller.send("POST", task.path, task.body));
  if (task.kind === "job") {
    const envelope = { ...task.envelope, ...(task.callback ? { callback_url: callbackUrl } : {}), metadata: { name: task.name } };
    const id = await once(caller, accepted, task, "/v1/jobs", envelope);
    accepted.jobs.push({ id, callback: task.callback });
    if (task.cancel) await caller.send("POST", `/v1/jobs/${id}/cancel`);
    return;
  }
  const id = task.kind === "openai-batch" ? await openAiBatch(caller, callbackUrl, accepted, task) : await messageBatch(caller, accepted, task);
  const surface = task.kind === "openai-batch" ? "openai" : "anthropic";
  accepted.batches.push({ id, surface, customIds: task.customIds, callback: task.callback });
  if (task.cancel) await caller.send("POST", surface === "openai" ? `/v1/batches/${id}/cancel` : `/v1/messages/batches/${id}/cancel`);
}

const idOf = (text: string): string => (JSON.parse(text) as { id: string }).id;

/** Posts under an Idempotency-Key; where the task says so twice at the same time, as an impatient caller does. Both must come to the same. */
async function once(
  caller: Caller,
  accepted: Accepted,
  task: Exclude<Task, { readonly kind: "call" }>,
  path: string,
  wish: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const body = JSON.stringify(wish);
  const post = async (): Promise<string> => idOf(await caller.insist("POST", path, body, { "idempotency-key": task.name, ...headers }));
  const [id, again] = await Promise.all([post(), task.twice ? post() : null]);
  if (again !== null && again !== id) accepted.twins++;
  return id;
}

type BatchTask = Extract<Task, { readonly customIds: readonly string[] }>;

async function openAiBatch(caller: Caller, callbackUrl: string, accepted: Accepted, task: BatchTask): Promise<string> {
  const lines = task.bodies.map((body, i) => JSON.stringify({ custom_id: task.customIds[i], method: "POST", url: task.endpoint, body }));
  const boundary = `soak-${task.name}`;
  const part = (head: string, text: string): string => `--${boundary}\r\ncontent-disposition: form-data; ${head}\r\n\r\n${text}\r\n`;
  const form = `${part('name="purpose"', "batch")}${part(`name="file"; filename="${task.name}.jsonl"`, lines.join("\n"))}--${boundary}--\r\n`;
  const file = idOf(await caller.insist("POST", "/v1/files", Buffer.from(form), { "content-type": `multipart/form-data; boundary=${boundary}` }));
  const metadata = { deadline: task.deadline, cache: "exact", ...(task.callback ? { callback_url: callbackUrl } : {}) };
  const wish = { input_file_id: file, endpoint: task.endpoint, completion_window: "24h", metadata };
  return once(caller, accepted, task, "/v1/batches", wish);
}

async function messageBatch(caller: Caller, accepted: Accepted, task: BatchTask): Promise<string> {
  const requests = task.bodies.map((params, i) => ({ custom_id: task.customIds[i], params }));
  return once(caller, accepted, task, "/v1/messages/batches", { requests }, { "slowboat-deadline": task.deadline });
}

/** A stream is answered when it came to its end, and failed when it said so; one that just stops has left its caller without an answer. */
function note(accepted: Accepted, task: Extract<Task, { kind: "call" }>, reply: Reply): void {
  const { calls } = accepted;
  const outcome = reply === null ? "unanswered" : task.stream && reply.status === 200 ? streamOutcome(task.path, reply.text) : replyOutcome(reply);
  calls[outcome]++;
}

function replyOutcome(reply: NonNullable<Reply>): "answered" | "failed" | "unanswered" {
  try {
    const body = JSON.parse(reply.text) as { error?: unknown } | null;
    if (reply.status < 300) return typeof body === "object" && body !== null ? "answered" : "unanswered";
    return body?.error === undefined ? "unanswered" : "failed";
  } catch {
    return "unanswered";
  }
}

const LAST: Readonly<Record<string, RegExp>> = {
  "/v1/chat/completions": /^data: \[DONE\]/m,
  "/v1/messages": /^event: message_stop/m,
  "/v1/responses": /^event: response\.(?:completed|incomplete|failed)/m,
};

function streamOutcome(path: string, text: string): "answered" | "failed" | "unanswered" {
  if (/^data: ?\{"error":/m.test(text) || /^event: error/m.test(text)) return "failed";
  // An answer from the cache or a lane without streams comes whole.
  if (text.startsWith("{")) return "answered";
  return LAST[path]?.test(text) === true ? "answered" : "unanswered";
}
