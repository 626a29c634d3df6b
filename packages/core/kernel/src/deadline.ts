const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `"90s"`, `"45m"`, `"4h"`, `"1h30m"`, `"2d"` as ms; `null` when the text is no such length or is 0. */
export function parseDurationMs(text: string): number | null {
  if (!/^(?:\d{1,9}[smhd])+$/.test(text)) return null;
  let total = 0;
  for (const part of text.matchAll(/(\d+)([smhd])/g)) total += Number(part[1]) * (UNIT_MS[part[2] ?? ""] ?? 0);
  return total > 0 ? total : null;
}

/** Why a deadline was not understood; the API turns it into a fault with the mend. */
export type DeadlineProblem = "unreadable" | "zone-missing" | "zone-unknown" | "past";

/**
 * Reads a deadline as an absolute instant in Unix ms: RFC 3339 (`2026-11-26T06:00:00Z`), a length from now (`"4h"`), or
 * a wall-clock time with an IANA zone or an offset (`"06:00 Europe/Berlin"`, `"06:00Z"`, `"06:00+02:00"`, or `"06:00"` with `zone`
 * given): its next occurrence.
 */
export function parseDeadline(text: string, nowMs: number, zone?: string): { atMs: number } | { problem: DeadlineProblem } {
  const trimmed = text.trim();
  const length = parseDurationMs(trimmed);
  if (length !== null) return { atMs: nowMs + length };
  const wall = /^(\d{1,2}):(\d{2})(?:\s+(\S+)|([Zz]|[+-]\d{2}:\d{2}))?$/.exec(trimmed);
  if (wall) return nextWallClock(Number(wall[1]), Number(wall[2]), wall[3] ?? wall[4]?.toUpperCase() ?? zone, nowMs);
  if (!/^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:[Zz]|[+-]\d{2}:\d{2})$/.test(trimmed)) return { problem: "unreadable" };
  const atMs = Date.parse(trimmed.replace(" ", "T"));
  // The engine's parser rolls 30 February over into March; a day that does not exist is nobody's deadline.
  const [year = 0, month = 0, day = 0] = trimmed.slice(0, 10).split("-").map(Number);
  if (!Number.isFinite(atMs) || new Date(Date.UTC(year, month - 1, day)).getUTCDate() !== day) return { problem: "unreadable" };
  return atMs <= nowMs ? { problem: "past" } : { atMs };
}

function nextWallClock(hour: number, minute: number, zone: string | undefined, nowMs: number): { atMs: number } | { problem: DeadlineProblem } {
  if (hour > 23 || minute > 59) return { problem: "unreadable" };
  if (zone === undefined) return { problem: "zone-missing" };
  const offset = zoneOffsetMs(zone, nowMs);
  if (offset === null) return { problem: "zone-unknown" };
  const localDay = Math.floor((nowMs + offset) / 86_400_000) * 86_400_000;
  for (let day = 0; day <= 2; day++) {
    const local = localDay + day * 86_400_000 + hour * 3_600_000 + minute * 60_000;
    // The offset at the target may differ from the offset now (a clock change in between): settle it in two rounds.
    let atMs = local - offset;
    for (let round = 0; round < 2; round++) atMs = local - (zoneOffsetMs(zone, atMs) ?? offset);
    if (atMs > nowMs) return { atMs };
  }
  return { problem: "unreadable" };
}

/** No clock on earth is further from UTC. */
const OFFSET_HOURS_MAX = 14;

/** Milliseconds that local time in `zone` is ahead of UTC at `atMs`; `null` for an unknown zone. */
function zoneOffsetMs(zone: string, atMs: number): number | null {
  const fixed = /^(?:UTC|Z|GMT)$|^([+-])(\d{2}):(\d{2})$/.exec(zone);
  if (fixed && (Number(fixed[2] ?? 0) > OFFSET_HOURS_MAX || Number(fixed[3] ?? 0) > 59)) return null;
  if (fixed) return fixed[1] ? (fixed[1] === "-" ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3])) * 60_000 : 0;
  try {
    const parts = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    }).formatToParts(atMs);
    const get = (type: string): number => Number(parts.find((p) => p.type === type)?.value ?? 0);
    const local = Date.UTC(get("year"), get("month") - 1, get("day"), get("hour"), get("minute"), get("second"));
    return local - Math.floor(atMs / 1000) * 1000;
  } catch {
    return null;
  }
}
