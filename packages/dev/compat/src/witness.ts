import { type AnthropicKind, type OpenAiKind, type Surface, type WireCheck, wireSchemas } from "./wire-schemas.ts";

/** Sees every response that a client gets, and says what is wrong with it. */
export interface Witness {
  /** For the clients, in place of the global `fetch`. */
  readonly fetch: typeof fetch;
  /** What was wrong since the last call, after everything that is still being read has been read. */
  complaints(): Promise<string[]>;
  /** Responses that were held against a schema so far. */
  checked(): number;
}

/** Makes a witness; `ours` allows the members that our API adds. */
export function createWitness(ours: boolean): Witness {
  const check = wireSchemas(ours);
  const wrong: string[] = [];
  const reading = new Set<Promise<void>>();
  let checked = 0;
  const watched: typeof fetch = async (input, init) => {
    // The clients try their `fetch` out on a data address.
    if (String(input).startsWith("data:")) return await fetch(input, init);
    const request = { method: init?.method ?? "GET", url: String(input), headers: new Headers(init?.headers) };
    const response = await fetch(input, init);
    const copy = response.clone();
    const note = (text: string): void => void wrong.push(`${request.method} ${new URL(request.url).pathname} ${response.status}: ${text}`);
    const work = judge(check, request, copy)
      .then((verdict) => {
        checked += verdict.bodies;
        verdict.wrong.forEach(note);
      })
      // A body that the client left, or that broke off, is no body.
      .catch(() => undefined)
      .finally(() => reading.delete(work));
    reading.add(work);
    return response;
  };
  return {
    fetch: watched,
    checked: () => checked,
    complaints: async () => {
      while (reading.size > 0) await Promise.all(reading);
      return wrong.splice(0);
    },
  };
}

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
}

interface Verdict {
  readonly bodies: number;
  readonly wrong: string[];
}

async function judge(check: WireCheck, request: Asked, response: Response): Promise<Verdict> {
  const path = new URL(request.url).pathname;
  const surface: Surface = path.startsWith("/v1/messages") || request.headers.has("anthropic-version") ? "anthropic" : "openai";
  const wrong: string[] = [];
  const requestId = response.headers.get(surface === "openai" ? "x-request-id" : "request-id");
  if (!/^req_\w+$/.test(requestId ?? "")) wrong.push(`request id ${requestId}`);
  const text = await response.text();
  const values = bodiesOf(surface, request.method, path, response, text);
  for (const { kind, value } of values) {
    for (const problem of check(surface, kind, value)) wrong.push(`${kind}: ${problem} in ${JSON.stringify(value).slice(0, 300)}`);
    const told = kind === "error" && surface === "anthropic" ? (value as { request_id?: unknown }).request_id : requestId;
    if (told !== requestId && told !== null) wrong.push(`the body says ${String(told)}, the header ${requestId}`);
  }
  if (response.status >= 400 && values.length === 0) wrong.push("an error without a body");
  return { bodies: values.length, wrong };
}

interface Body {
  readonly kind: OpenAiKind | AnthropicKind;
  readonly value: unknown;
}

function bodiesOf(surface: Surface, method: string, path: string, response: Response, text: string): Body[] {
  if (response.status >= 400) return [{ kind: "error", value: JSON.parse(text) }];
  if (response.headers.get("content-type")?.includes("text/event-stream")) return eventBodies(surface, path, text);
  if (path.endsWith("/results")) return linesOf(text).map((value) => ({ kind: "row", value }));
  if (path.endsWith("/content")) return contentBodies(text);
  const kind = surface === "openai" ? openAiKind(method, path) : anthropicKind(method, path);
  return kind === null ? [] : [{ kind, value: withoutVectors(kind, JSON.parse(text)) }];
}

const linesOf = (text: string): unknown[] =>
  text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as unknown);

/** The rows of an output or error file with what each says; any other content is the caller's own. */
function contentBodies(text: string): Body[] {
  if (!text.startsWith('{"id":"batch_req_')) return [];
  return linesOf(text).flatMap((value): Body[] => {
    const { response } = value as { response: { status_code: number; body: { object?: string } } | null };
    const kind = response === null ? null : response.status_code >= 400 ? "error" : OBJECTS[response.body.object ?? ""];
    const row: Body = { kind: "batchRow", value: { ...(value as object), response: response === null ? null : { ...response, body: {} } } };
    return kind == null || response === null ? [row] : [row, { kind, value: withoutVectors(kind, response.body) }];
  });
}

const OBJECTS: Readonly<Record<string, OpenAiKind>> = { "chat.completion": "chat", response: "response", list: "embeddings" };

function eventBodies(surface: Surface, path: string, text: string): Body[] {
  const data = text.split(/\r?\n/).flatMap((line) => (line.startsWith("data:") ? [line.slice(5).trim()] : []));
  return data.flatMap((one): Body[] => {
    if (one === "[DONE]" || one === '{"type":"ping"}') return [];
    const value = JSON.parse(one) as { type?: string; error?: unknown };
    // Inside a stream the provider says no request id; the header has it.
    if (surface === "anthropic")
      return [value.type === "error" ? { kind: "error", value: { request_id: null, ...value } } : { kind: "event", value }];
    if (path === "/v1/responses") {
      // The client raises by the member `error`, which stands beside the members of the event that the API has for it.
      const { error, ...event } = value;
      return [{ kind: "event", value: event }, ...(error === undefined ? [] : [{ kind: "error" as const, value: { error } }])];
    }
    return [{ kind: value.error === undefined ? "chunk" : "error", value }];
  });
}

/** Vectors travel as base64 unless numbers are asked for, which the client's type does not say. */
function withoutVectors(kind: string, value: unknown): unknown {
  if (kind !== "embeddings") return value;
  const { data, ...rest } = value as { data: { embedding: unknown }[] };
  return { ...rest, data: data.map((one) => (typeof one.embedding === "string" ? { ...one, embedding: [] } : one)) };
}

function openAiKind(method: string, path: string): OpenAiKind | null {
  if (path === "/v1/chat/completions") return "chat";
  if (path === "/v1/responses") return "response";
  if (path === "/v1/embeddings") return "embeddings";
  const [, , list, id] = path.split("/");
  if (list === "files") return id !== undefined ? (method === "DELETE" ? "fileDeleted" : "file") : method === "POST" ? "file" : "files";
  if (list === "batches") return id !== undefined || method === "POST" ? "batch" : "batches";
  if (list === "models") return id === undefined ? "models" : "model";
  return null;
}

function anthropicKind(method: string, path: string): AnthropicKind | null {
  if (path === "/v1/messages") return "message";
  if (path === "/v1/messages/count_tokens") return "tokens";
  if (path.startsWith("/v1/models")) return path === "/v1/models" ? "models" : "model";
  if (!path.startsWith("/v1/messages/batches")) return null;
  if (method === "DELETE") return "batchDeleted";
  return path === "/v1/messages/batches" && method === "GET" ? "batches" : "batch";
}
