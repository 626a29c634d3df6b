/**
 * What the providers answered, kept as fixtures: documented and observed replies, with what each was charged in nano-USD, reckoned by hand from the
 * usage in it and the list price of its model. Nothing here is computed by the code under test or by the emulator.
 */

/** A model's charges for one of the recorded answers. */
export interface Charges {
  /** The name that the answer gives. */
  readonly snapshot: string;
  readonly standard: string;
  readonly batch: string;
  readonly flex?: string;
}

/** 24 prompt tokens, 9 completion tokens, nothing cached. */
export const CHAT_CHARGES: Readonly<Record<string, Charges>> = {
  "gpt-5-mini": { snapshot: "gpt-5-mini-2025-08-07", standard: "24000", batch: "12000", flex: "12000" },
  "gpt-4.1-mini": { snapshot: "gpt-4.1-mini-2025-04-14", standard: "24000", batch: "12000" },
  "gpt-4o-mini": { snapshot: "gpt-4o-mini-2024-07-18", standard: "9000", batch: "4500" },
  "gpt-5.6-luna": { snapshot: "gpt-5.6-luna", standard: "15600", batch: "7800", flex: "7800" },
};

/** 26 input tokens, 11 output tokens, nothing cached. */
export const MESSAGE_CHARGES: Readonly<Record<string, Charges>> = {
  "claude-haiku-4-5": { snapshot: "claude-haiku-4-5-20251001", standard: "81000", batch: "40500" },
  "claude-sonnet-5": { snapshot: "claude-sonnet-5", standard: "162000", batch: "81000" },
};

/** 12 tokens; the batch price is the list price. */
export const EMBEDDING_CHARGES: Readonly<Record<string, Charges>> = {
  "text-embedding-3-small": { snapshot: "text-embedding-3-small", standard: "240", batch: "240" },
};

const CHAT_USAGE =
  '{"prompt_tokens":24,"completion_tokens":9,"total_tokens":33,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}';

/** A chat completion; `tier` is the one that served it. */
export const chat = (snapshot: string, tier: string): string =>
  `{"id":"chatcmpl-CfSb2RecordedAnswer","object":"chat.completion","created":1763000000,"model":"${snapshot}","choices":[{"index":0,"message":{"role":"assistant","content":"High water is at six in the morning.","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":${CHAT_USAGE},"service_tier":"${tier}","system_fingerprint":"fp_51db84afab"}`;

/** The same answer as server-sent events, usage in the last of them where it was asked for. */
export function chatEvents(snapshot: string, tier: string): string[] {
  const chunk = (choices: string, usage: string): string =>
    `data: {"id":"chatcmpl-CfSb2RecordedAnswer","object":"chat.completion.chunk","created":1763000000,"model":"${snapshot}","service_tier":"${tier}","system_fingerprint":"fp_51db84afab","choices":${choices},"usage":${usage},"obfuscation":"yZ1"}\n\n`;
  const delta = (text: string): string => `[{"index":0,"delta":{"content":"${text}"},"logprobs":null,"finish_reason":null}]`;
  return [
    chunk('[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]', "null"),
    chunk(delta("High water is at"), "null"),
    chunk(delta(" six in the morning."), "null"),
    chunk('[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]', "null"),
    chunk("[]", CHAT_USAGE),
    "data: [DONE]\n\n",
  ];
}

const RESPONSE_USAGE =
  '{"input_tokens":24,"input_tokens_details":{"cached_tokens":0},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":33}';

/** A response of the Responses API, as it begins and as it ends; the tier that served it stands in the end. */
const responseAs = (snapshot: string, tier: string, status: "in_progress" | "completed"): string =>
  `{"id":"resp_67ccd2bed1ec8190","object":"response","created_at":1763000000,"status":"${status}","background":false,"error":null,"incomplete_details":null,"instructions":null,"max_output_tokens":40,"model":"${snapshot}","output":${status === "completed" ? '[{"id":"msg_67ccd2bf17f08190","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"High water is at six in the morning."}]}]' : "[]"},"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":"minimal","summary":null},"service_tier":"${status === "completed" ? tier : "auto"}","store":true,"temperature":1.0,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled","usage":${status === "completed" ? RESPONSE_USAGE : "null"},"user":null,"metadata":{}}`;

export const response = (snapshot: string, tier: string): string => responseAs(snapshot, tier, "completed");

export function responseEvents(snapshot: string, tier: string): string[] {
  const event = (no: number, type: string, rest: string): string => `event: ${type}\ndata: {"type":"${type}","sequence_number":${no},${rest}}\n\n`;
  const at = '"item_id":"msg_67ccd2bf17f08190","output_index":0,"content_index":0';
  const part = (text: string): string => `"part":{"type":"output_text","annotations":[],"logprobs":[],"text":"${text}"}`;
  const text = "High water is at six in the morning.";
  return [
    event(0, "response.created", `"response":${responseAs(snapshot, tier, "in_progress")}`),
    event(1, "response.in_progress", `"response":${responseAs(snapshot, tier, "in_progress")}`),
    event(
      2,
      "response.output_item.added",
      '"output_index":0,"item":{"id":"msg_67ccd2bf17f08190","type":"message","status":"in_progress","content":[],"role":"assistant"}',
    ),
    event(3, "response.content_part.added", `${at},${part("")}`),
    event(4, "response.output_text.delta", `${at},"delta":"${text}","logprobs":[]`),
    event(5, "response.output_text.done", `${at},"text":"${text}","logprobs":[]`),
    event(6, "response.content_part.done", `${at},${part(text)}`),
    event(
      7,
      "response.output_item.done",
      `"output_index":0,"item":{"id":"msg_67ccd2bf17f08190","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"${text}"}],"role":"assistant"}`,
    ),
    event(8, "response.completed", `"response":${response(snapshot, tier)}`),
  ];
}

export const embedding = (snapshot: string): string =>
  `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.0023064255,-0.009327292,0.015797377,-0.0077780345]}],"model":"${snapshot}","usage":{"prompt_tokens":12,"total_tokens":12}}`;

const MESSAGE_USAGE =
  '"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"service_tier":"standard"';

/** A message; `tier` is `standard` or `batch`. */
export const message = (snapshot: string, tier: string): string =>
  `{"id":"msg_013Zva2CMHLNnXjNJJKqJ2EF","type":"message","role":"assistant","model":"${snapshot}","content":[{"type":"text","text":"High water is at six in the morning."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":26,"output_tokens":11,${MESSAGE_USAGE.replace("standard", tier)}}}`;

export function messageEvents(snapshot: string): string[] {
  const event = (type: string, rest: string): string => `event: ${type}\ndata: {"type":"${type}"${rest}}\n\n`;
  const delta = (text: string): string => event("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":"${text}"}`);
  return [
    event(
      "message_start",
      `,"message":{"id":"msg_013Zva2CMHLNnXjNJJKqJ2EF","type":"message","role":"assistant","model":"${snapshot}","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":26,"output_tokens":1,${MESSAGE_USAGE}}}`,
    ),
    event("content_block_start", ',"index":0,"content_block":{"type":"text","text":""}'),
    event("ping", ""),
    delta("High water is at"),
    delta(" six in the morning."),
    event("content_block_stop", ',"index":0'),
    event("message_delta", ',"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":11}'),
    event("message_stop", ""),
  ];
}

/** A refusal or a failure as it came over the wire; none of them is charged. */
export interface Refusal {
  readonly name: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const JSON_TYPE = { "content-type": "application/json" };
const openAiError = (message: string, type: string, param: string | null, code: string | null): string =>
  JSON.stringify({ error: { message, type, param, code } });
const anthropicError = (type: string, message: string): string =>
  JSON.stringify({ type: "error", error: { type, message }, request_id: "req_011CSHoEeqs5C35K2UUqR7Fy" });

/** What a value out of range is told. */
export const OUT_OF_RANGE = {
  openai: openAiError(
    "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 7 instead.",
    "invalid_request_error",
    "temperature",
    "decimal_above_max_value",
  ),
  anthropic: anthropicError("invalid_request_error", "temperature: range: 0..1"),
} as const;

/** Taken in turn, one in so many calls. */
export const FAILURES: Readonly<Record<"openai" | "anthropic", readonly Refusal[]>> = {
  openai: [
    {
      name: "429 requests",
      status: 429,
      headers: {
        ...JSON_TYPE,
        "retry-after-ms": "800",
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "120ms",
      },
      body: openAiError("Rate limit reached for requests. Please try again in 120ms.", "requests", null, "rate_limit_exceeded"),
    },
    {
      name: "500",
      status: 500,
      headers: JSON_TYPE,
      body: openAiError("The server had an error while processing your request. Sorry about that!", "server_error", null, null),
    },
    {
      name: "502 html",
      status: 502,
      headers: { "content-type": "text/html" },
      body: "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n",
    },
  ],
  anthropic: [
    { name: "529", status: 529, headers: { ...JSON_TYPE, "x-should-retry": "true" }, body: anthropicError("overloaded_error", "Overloaded") },
    {
      name: "429 tokens",
      status: 429,
      headers: { ...JSON_TYPE, "retry-after": "1" },
      body: anthropicError("rate_limit_error", "This request would exceed the rate limit for your organization of 50,000 input tokens per minute."),
    },
    { name: "500", status: 500, headers: JSON_TYPE, body: anthropicError("api_error", "Internal server error") },
  ],
};
