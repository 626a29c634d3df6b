import { type Logger as PinoLogger, pino } from "pino";

/** Object first, then a noun-verb name from the closed list of events; never a prompt, an answer or a key. */
export type Logger = Pick<PinoLogger, "debug" | "info" | "warn" | "error">;

/** Never written, at the top of an event or one level down. */
const SECRET = ["authorization", "apiKey", "body", "secret", "password"];

/** Lines are written together: a write a line was a twelfth of what an interactive call cost. An orderly or crashing end writes the rest. */
const FLUSH_BYTES = 12 * 1024;
const FLUSH_MS = 100;

/** JSON lines on stderr, with the service's name; `level` as in pino. */
export function createLogger(service: string, level = "info"): Logger {
  return pino(
    { level, base: { service }, timestamp: pino.stdTimeFunctions.isoTime, redact: SECRET.flatMap((name) => [name, `*.${name}`]) },
    pino.destination({ dest: 2, sync: false, minLength: FLUSH_BYTES, periodicFlush: FLUSH_MS }),
  );
}
