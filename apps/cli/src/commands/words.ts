import { fixedUsd } from "../nightly/receipt.ts";

/** A whole number with its thousands. */
export const count = (n: number): string => n.toLocaleString("en-US");

/** A share as a person reads it: small ones keep two digits. */
export function percent(share: number): string {
  const value = share * 100;
  if (value === 0) return "0 %";
  if (value > 0 && value < 0.01) return "< 0.01 %";
  if (value < 100 && value > 99.99) return "> 99.99 %";
  return `${Math.abs(value) < 1 ? value.toFixed(2) : value.toFixed(1)} %`;
}

/** Writes amounts of nano-dollars that stand together with as many decimals as the smallest of them needs to show two digits. */
export function dollars(amounts: readonly bigint[]): (nano: bigint) => string {
  const least = amounts.reduce<bigint | null>((a, b) => (b > 0n && (a === null || b < a) ? b : a), null);
  const digits = least === null ? 10 : least.toString().length;
  const decimals = Math.min(9, Math.max(2, 11 - digits));
  return (nano) => `${nano < 0n ? "-" : ""}$${fixedUsd(nano < 0n ? -nano : nano, decimals)}`;
}

const DAY_MS = 86_400_000;
const pad = (n: number): string => String(n).padStart(2, "0");

/** An instant on this machine's wall: with seconds where it is within the hour of `near`, with its day where that is another. */
export function localTime(instant: string, near: string): string {
  const at = new Date(instant);
  const from = new Date(near);
  const seconds = Math.abs(at.getTime() - from.getTime()) < 3_600_000;
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}${seconds ? `:${pad(at.getSeconds())}` : ""}`;
  if (at.toDateString() === from.toDateString()) return time;
  const day = at.toLocaleDateString("en-GB", { weekday: "short" });
  if (Math.abs(at.getTime() - from.getTime()) < 6 * DAY_MS) return `${day} ${time}`;
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${time}`;
}

/** A table of aligned columns. A heading that begins with `#` is of a column of figures, aligned right; the last column is cut to `columns`. */
export function grid(rows: readonly (readonly string[])[], columns: number): string[] {
  const [head = []] = rows;
  const right = head.map((title) => title.startsWith("#"));
  const cells = rows.map((row) => (row === head ? row.map((cell) => cell.replace(/^#/, "")) : row));
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  return cells.map((row) => {
    const line = row.map((cell, i) => (right[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join("  ");
    return line.length > columns ? `${line.trimEnd().slice(0, Math.max(20, columns))}` : line.trimEnd();
  });
}
