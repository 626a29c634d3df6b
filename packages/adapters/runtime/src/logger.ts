import { type Logger as PinoLogger, pino } from "pino";

/** Object first, then a noun-verb name from the closed list of events; never a prompt, an answer or a key. */
export type Logger = Pick<PinoLogger, "debug" | "info" | "warn" | "error">;

/** Never written, at the top of an event or one level down. */
const SECRET = new Set(["authorization", "apiKey", "body", "secret", "password"]);
const HIDDEN = "[Redacted]";

/** Lines are written together: a write a line was a twelfth of what an interactive call cost. An orderly or crashing end writes the rest. */
const FLUSH_BYTES = 12 * 1024;
const FLUSH_MS = 100;

/** JSON lines on stderr, with the service's name; `level` as in pino. */
export function createLogger(service: string, level = "info"): Logger {
  return pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { log: (event) => withoutSecrets(event, 1) },
      serializers: { err: errorOf },
    },
    pino.destination({ dest: 2, sync: false, minLength: FLUSH_BYTES, periodicFlush: FLUSH_MS }),
  );
}

type Event = Record<string, unknown>;

/** The event, or a copy of it without what must not be written. Pino's own redaction copies every event first, which shows in what a call costs. */
function withoutSecrets(event: Event, levels: number): Event {
  let clean: Event | null = null;
  for (const [name, value] of Object.entries(event)) {
    const inner = levels > 0 && isObject(value) ? withoutSecrets(value, levels - 1) : value;
    const said = SECRET.has(name) && value !== undefined ? HIDDEN : inner;
    if (said === value) continue;
    clean ??= { ...event };
    clean[name] = said;
  }
  return clean ?? event;
}

/** An error is looked at as it is written, since its serialiser takes every member along. */
const isObject = (value: unknown): value is Event =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Error);

const errorOf = (error: Error): Event => withoutSecrets({ ...pino.stdSerializers.err(error) }, 0);
