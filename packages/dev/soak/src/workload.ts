import { type Rng, seededRng } from "@slowboat/kernel";

/** One call, job or batch as a caller makes it. `requests` is how many answers it is owed. */
export type Task =
  | {
      readonly kind: "call";
      readonly requests: 1;
      readonly path: string;
      readonly body: string;
      readonly stream: boolean;
    }
  | {
      readonly kind: "job";
      readonly requests: 1;
      readonly name: string;
      /** Without the callback address, which is known once the receiver listens. */
      readonly envelope: Readonly<Record<string, unknown>>;
      readonly callback: boolean;
      readonly cancel: boolean;
      /** Submitted twice under one Idempotency-Key. */
      readonly twice: boolean;
    }
  | {
      readonly kind: "openai-batch" | "anthropic-batch";
      readonly requests: number;
      readonly name: string;
      readonly endpoint: string;
      readonly customIds: readonly string[];
      readonly bodies: readonly object[];
      readonly deadline: string;
      readonly callback: boolean;
      readonly cancel: boolean;
      /** Submitted twice under one Idempotency-Key. */
      readonly twice: boolean;
    };

const WORDS = "the ship and its cargo lay at the pier by night with a light on the bow and a bell to ring for the tide as we went to sea".split(" ");
const OPENAI_MODELS = ["gpt-5-mini", "gpt-4.1-mini", "gpt-5.6-luna", "gpt-4o-mini"] as const;
const ANTHROPIC_MODELS = ["claude-haiku-4-5", "claude-sonnet-5"] as const;
/** Minutes for real time alone, hours for the batch lane with a rescue behind it; a day and more lets a batch expire. */
const DEADLINES = ["40m", "2h", "3h", "3h"] as const;
const LONG_DEADLINE = "26h";
/** A run of this size lasts long enough, at its pace, for batches to expire. */
const LONG_RUN = 10_000;
/** Every so many questions were asked before. */
const REPEATS = 12;
/** Every so many have a long beginning in common with others. */
const SHARES = 6;
const SHARED_WORDS = 1_300;
/** Every so many messages may think. */
const THINKS = 8;
/** Share of submissions that an impatient caller makes twice. */
const TWICE = 0.05;
/** Every so many vectors may come from a model of the installation's own. */
const OWN_MODEL = 3;
/** Share of calls that pay for going before others, of those whose model can. */
const PRIORITY = 0.15;
/** Every so many ask for what the provider refuses. */
const REFUSED = 100;

/** Makes the tasks of a run: exactly `requests` requests, in an order that the seed decides; the same for the same seed. */
export function makeTasks(requests: number, seed: number): Task[] {
  const writer = createWriter(seededRng(seed), requests >= LONG_RUN);
  const tasks: Task[] = [];
  const lines = Math.max(8, Math.min(400, Math.floor(requests / 50)));
  let left = requests;
  while (left > 0) {
    const task = writer.next(Math.min(left, lines));
    tasks.push(task);
    left -= task.requests;
  }
  return shuffled(tasks, writer.rng);
}

function shuffled<T>(items: T[], rng: Rng): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = rng.u32() % (i + 1);
    const [a, b] = [items[i], items[j]];
    if (a !== undefined && b !== undefined) [items[i], items[j]] = [b, a];
  }
  return items;
}

interface Writer {
  readonly rng: Rng;
  /** The next task, of at most so many requests. */
  next(most: number): Task;
}

function createWriter(rng: Rng, long: boolean): Writer {
  let serial = 0;
  const pick = <T>(from: readonly T[]): T => from[rng.u32() % from.length] as T;
  const chance = (p: number): boolean => rng.float() < p;
  const prose = (words: number): string => Array.from({ length: words }, () => pick(WORDS)).join(" ");
  const shared = Array.from({ length: 3 }, () => prose(SHARED_WORDS));
  const question = (): string => {
    const no = ++serial;
    return no % REPEATS === 0 ? `Question ${no % 36} that was asked before: when is high water?` : `Question ${no}: ${prose(12)}?`;
  };
  const standIns = (model: string): object => (chance(0.2) ? { fallbacks: [model] } : {});
  const chat = (model: string = pick(OPENAI_MODELS)): Record<string, unknown> => ({
    model,
    max_completion_tokens: 40,
    ...(model === "gpt-5-mini" ? { reasoning_effort: "minimal" } : {}),
    ...(serial % REFUSED === 7 ? { temperature: 7 } : {}),
    messages: [...(serial % SHARES === 1 ? [{ role: "system", content: pick(shared) }] : []), { role: "user", content: question() }],
    ...standIns("claude-haiku-4-5"),
  });
  const message = (): Record<string, unknown> => ({
    model: pick(ANTHROPIC_MODELS),
    ...(serial % THINKS === 2 ? { max_tokens: 2_048, thinking: { type: "enabled", budget_tokens: 1_024 } } : { max_tokens: 40 }),
    ...(serial % REFUSED === 7 ? { temperature: 7 } : {}),
    ...(serial % SHARES === 1 ? { system: pick(shared) } : {}),
    messages: [{ role: "user", content: question() }],
    ...standIns("gpt-4.1-mini"),
  });
  const response = (model = "gpt-5-mini"): Record<string, unknown> => ({
    model,
    max_output_tokens: 40,
    reasoning: { effort: "minimal" },
    input: question(),
  });
  const embedder = (): string => (serial % OWN_MODEL === 1 ? "slowboat-embed" : "text-embedding-3-small");
  const embedding = (model = embedder()): Record<string, unknown> => ({ model, input: question() });
  const classification = (): Record<string, unknown> => ({
    model: "slowboat-classify",
    input: question(),
    labels: ["ships", "trains", "aeroplanes"],
  });
  const deadline = (): string => (long && chance(0.1) ? LONG_DEADLINE : pick(DEADLINES));

  const call = (): Task => {
    const stream = chance(0.45);
    const path = pick(["/v1/chat/completions", "/v1/chat/completions", "/v1/messages", "/v1/messages", "/v1/responses", "/v1/embeddings"]);
    const streaming = stream && path !== "/v1/embeddings";
    const body = path === "/v1/messages" ? message() : path === "/v1/responses" ? response() : path === "/v1/embeddings" ? embedding() : chat();
    const chats = path === "/v1/chat/completions";
    const first = chats && body["model"] !== "gpt-5-mini" && chance(PRIORITY) ? { service_tier: "priority" } : {};
    const flex = chats && body["model"] === "gpt-5-mini" && chance(0.3) ? { service_tier: "flex" } : first;
    return { kind: "call", requests: 1, path, stream: streaming, body: JSON.stringify({ ...body, ...flex, ...(streaming ? { stream: true } : {}) }) };
  };
  const job = (): Task => {
    const kind = rng.u32() % 5;
    const within = chance(0.15) ? {} : { deadline: deadline() };
    const envelope =
      kind === 0
        ? { endpoint: "/v1/messages", body: message(), ...within }
        : kind === 1
          ? { endpoint: "/v1/embeddings", body: embedding(), ...within }
          : kind === 2
            ? { body: chat("gpt-5-mini"), allow: ["flex", "realtime"], ...within }
            : kind === 3
              ? { endpoint: "/v1/classifications", body: classification(), ...within }
              : { body: chat(), cache: "exact", ...within };
    return { kind: "job", requests: 1, name: `job-${++serial}`, envelope, callback: chance(0.6), cancel: chance(0.03), twice: chance(TWICE) };
  };
  const batch = (most: number): Task => {
    const count = Math.max(1, Math.min(most, Math.floor(most * (0.5 + rng.float()))));
    const name = `batch-${++serial}`;
    const anthropic = chance(0.35);
    const endpoint = anthropic ? "/v1/messages" : pick(["/v1/chat/completions", "/v1/chat/completions", "/v1/responses", "/v1/embeddings"]);
    const model = pick(OPENAI_MODELS);
    const vectors = embedder();
    const line = (): object =>
      anthropic ? message() : endpoint === "/v1/responses" ? response() : endpoint === "/v1/embeddings" ? embedding(vectors) : chat(model);
    return {
      kind: anthropic ? "anthropic-batch" : "openai-batch",
      requests: count,
      name,
      endpoint,
      customIds: Array.from({ length: count }, (_, i) => `${name}-${i}`),
      bodies: Array.from({ length: count }, line),
      deadline: deadline(),
      callback: !anthropic && chance(0.7),
      cancel: chance(0.06),
      twice: chance(TWICE),
    };
  };
  /** Of the requests, so that a run has all kinds whatever the size of its batches. */
  const owed = { call: 0, job: 0, batch: 0 };
  const SHARE = { call: 0.3, job: 0.15, batch: 0.55 } as const;
  const next = (most: number): Task => {
    const kind = (["call", "job", "batch"] as const).reduce((a, b) => (owed[b] / SHARE[b] < owed[a] / SHARE[a] ? b : a));
    const task = kind === "call" ? call() : kind === "job" ? job() : batch(most);
    owed[kind] += task.requests;
    return task;
  };
  return { rng, next };
}
