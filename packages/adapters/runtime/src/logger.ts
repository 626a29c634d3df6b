import { type Logger as PinoLogger, pino } from "pino";

/** Object first, then a noun-verb name from the closed list of events; never a prompt, an answer or a key. */
export type Logger = Pick<PinoLogger, "debug" | "info" | "warn" | "error">;

/** JSON lines on stderr, with the service's name; `level` as in pino. */
export function createLogger(service: string, level = "info"): Logger {
  return pino(
    { level, base: { service }, timestamp: pino.stdTimeFunctions.isoTime, redact: ["*.authorization", "*.apiKey", "*.body", "*.secret"] },
    pino.destination({ dest: 2, sync: false }),
  );
}
