import { fault, LIMITS, parseDeadline, parseDurationMs } from "@slowboat/kernel";

const FORMS = `Write an RFC 3339 instant ("2026-11-26T06:00:00Z"), a length ("4h", "90m") or a time with its zone ("06:00 Europe/Berlin").`;

/** Reads a caller's deadline as job time in Unix ms; every way of being wrong is a fault that says how to mend it. */
export function readDeadline(text: unknown, nowMs: number, param: string): number {
  if (typeof text !== "string" || text.length > 100) throw fault("deadline-unreadable", { param, message: `The deadline cannot be read. ${FORMS}` });
  const read = parseDeadline(text, nowMs);
  if ("problem" in read) {
    switch (read.problem) {
      case "past":
        throw fault("deadline-past", { param, message: `The deadline ${text} has already passed; it is ${new Date(nowMs).toISOString()} now.` });
      case "zone-missing":
        throw fault("deadline-unreadable", {
          param,
          message: `The deadline '${text}' needs a time zone: write "${text} Europe/Berlin" or "${text} UTC".`,
        });
      case "zone-unknown":
        throw fault("deadline-unreadable", {
          param,
          message: `The time zone of the deadline '${text}' is not known; use an IANA name such as Europe/Berlin.`,
        });
      case "unreadable":
        throw fault("deadline-unreadable", { param, message: `The deadline '${text}' cannot be read. ${FORMS}` });
    }
  }
  return within(read.atMs, nowMs, param);
}

/** Reads a completion window of any length (`"24h"`, `"90m"`) as its deadline in job time; one longer than 30 days counts as 30 days. */
export function readWindow(text: unknown, nowMs: number, param: string): number {
  const lengthMs = typeof text === "string" ? parseDurationMs(text) : null;
  if (lengthMs === null)
    throw fault("deadline-unreadable", { param, message: `The completion window cannot be read; write a length such as "24h", "4h" or "90m".` });
  return nowMs + Math.min(lengthMs, LIMITS.deadlineAheadMs);
}

function within(atMs: number, nowMs: number, param: string): number {
  const latest = nowMs + LIMITS.deadlineAheadMs;
  if (atMs > latest)
    throw fault("deadline-too-far", {
      param,
      message: `The deadline lies more than 30 days ahead; the latest is ${new Date(latest).toISOString()}.`,
    });
  return atMs;
}
