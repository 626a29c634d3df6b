import { type BookedAttempt, knownAttempts, listBooked, listSuspense, type Sql, type SuspendedAttempt } from "@slowboat/store";

/** A provider's bill: what it charges by attempt id, every line of it. */
export type Bill = ReadonlyMap<string, readonly bigint[]>;

/** An attempt whose booking and bill differ. */
export interface Difference {
  readonly attemptId: string;
  readonly why:
    | "billed more than once"
    | "booked and not billed"
    | "billed with another amount"
    | "billed without an answer"
    | "billed and not priced here";
  readonly bookedNano: bigint | null;
  readonly billedNano: bigint;
}

/** The bill against the books. Amounts in nano-USD. */
export interface Reconciliation {
  /** Attempts with one line of the bill that equals their booking. */
  readonly matched: number;
  readonly matchedNano: bigint;
  readonly differences: readonly Difference[];
  /** In suspense, and on the bill. */
  readonly charged: readonly { readonly attempt: SuspendedAttempt; readonly amountNano: bigint }[];
  /** In suspense and not on the bill. */
  readonly notCharged: readonly SuspendedAttempt[];
  /** In suspense, and an answer may still come. */
  readonly sought: number;
  /** Not ended yet. */
  readonly pending: number;
  /** Ids on the bill that are no attempts of this installation. */
  readonly strangers: readonly string[];
}

const PAGE = 5_000;

/** Compares every attempt that was sent between two instants (job ms) with the provider's bill of that time. Writes nothing. */
export async function reconcile(sql: Sql, bill: Bill, window: { readonly fromMs: number; readonly toMs: number }): Promise<Reconciliation> {
  const found = { matched: 0, matchedNano: 0n, differences: [] as Difference[], pending: 0, sought: 0 };
  const charged: { attempt: SuspendedAttempt; amountNano: bigint }[] = [];
  const notCharged: SuspendedAttempt[] = [];
  const seen = new Set<string>();
  for await (const booked of pages((after) => listBooked(sql, { ...window, after, limit: PAGE }))) {
    seen.add(booked.attemptId);
    const lines = bill.get(booked.attemptId) ?? [];
    const verdict = judge(booked, lines);
    if (verdict === "pending") found.pending++;
    else if (verdict === "matched") {
      found.matched++;
      found.matchedNano += booked.owedNano ?? 0n;
    } else if (verdict !== "nothing" && verdict !== "suspense")
      found.differences.push({ attemptId: booked.attemptId, why: verdict, bookedNano: booked.owedNano, billedNano: total(lines) });
  }
  for await (const attempt of pages((after) => listSuspense(sql, { tenantId: null, after, limit: PAGE }))) {
    if (attempt.sentAtMs < window.fromMs || attempt.sentAtMs >= window.toMs) continue;
    if (attempt.sought) {
      found.sought++;
      continue;
    }
    const lines = bill.get(attempt.attemptId) ?? [];
    if (total(lines) > 0n) charged.push({ attempt, amountNano: total(lines) });
    else notCharged.push(attempt);
  }
  return { ...found, charged, notCharged, strangers: await strangersOf(sql, bill, seen) };
}

const total = (amounts: readonly bigint[]): bigint => amounts.reduce((sum, amount) => sum + amount, 0n);

function judge(booked: BookedAttempt, lines: readonly bigint[]): Difference["why"] | "matched" | "nothing" | "pending" | "suspense" {
  if (booked.state === "unknown") return "suspense";
  if (booked.state !== "settled" && booked.state !== "void") return "pending";
  if (booked.owedNano === null) return total(lines) === 0n ? "nothing" : "billed without an answer";
  if (!booked.priced) return lines.length === 0 ? "nothing" : "billed and not priced here";
  if (lines.length > 1) return "billed more than once";
  if (total(lines) === booked.owedNano) return "matched";
  return lines.length === 0 ? "booked and not billed" : "billed with another amount";
}

async function strangersOf(sql: Sql, bill: Bill, seen: ReadonlySet<string>): Promise<string[]> {
  const unseen = [...bill.keys()].filter((id) => !seen.has(id));
  const known = new Set<string>();
  for (let at = 0; at < unseen.length; at += PAGE) for (const id of await knownAttempts(sql, unseen.slice(at, at + PAGE))) known.add(id);
  return unseen.filter((id) => !known.has(id));
}

async function* pages<T extends { readonly attemptId: string }>(read: (after: string) => Promise<T[]>): AsyncGenerator<T> {
  for (let after = ""; ; ) {
    const page = await read(after);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    after = last.attemptId;
  }
}
