import { useState } from "react";
import { accountName, percent, usd } from "./format.ts";
import type { Overview } from "./overview.ts";

interface Step {
  readonly name: string;
  readonly kind: "total" | "saving" | "waste";
  readonly amount: bigint;
  /** Where the bar lies, as shares of the widest total (0..1). */
  readonly from: number;
  readonly to: number;
}

function steps(receipt: Overview["receipt"]): { steps: Step[]; balances: boolean } {
  const list = BigInt(receipt.list_nano_usd);
  const paid = BigInt(receipt.paid_nano_usd);
  let level = list;
  let widest = list > paid ? list : paid;
  for (const line of receipt.lines) {
    level -= BigInt(line.nano_usd);
    if (level > widest) widest = level;
  }
  const share = (amount: bigint): number => (widest <= 0n ? 0 : Number((amount * 100_000n) / widest) / 100_000);
  const out: Step[] = [{ name: "list price", kind: "total", amount: list, from: 0, to: share(list) }];
  level = list;
  for (const line of receipt.lines) {
    const amount = BigInt(line.nano_usd);
    const next = level - amount;
    out.push({
      name: accountName(line.account),
      kind: amount < 0n ? "waste" : "saving",
      amount: -amount,
      from: share(next < level ? next : level),
      to: share(next < level ? level : next),
    });
    level = next;
  }
  out.push({ name: "paid", kind: "total", amount: paid, from: 0, to: share(paid) });
  return { steps: out, balances: level === paid };
}

const ROW = 30;
const WIDTH = 600;

/** List price, what each mechanism took off, waste, and what was paid: as bars, or as the table of exact figures. */
export function Waterfall({ receipt }: { receipt: Overview["receipt"] }) {
  const [asTable, setAsTable] = useState(false);
  const { steps: all, balances } = steps(receipt);
  const list = BigInt(receipt.list_nano_usd);
  return (
    <section aria-labelledby="waterfall-title">
      <header className="row">
        <h2 id="waterfall-title">Savings</h2>
        <button type="button" onClick={() => setAsTable(!asTable)} aria-pressed={asTable}>
          {asTable ? "show as bars" : "show as table"}
        </button>
      </header>
      {balances ? null : (
        <p className="alarm" role="alert">
          The lines do not sum to what was paid.
        </p>
      )}
      <table className={asTable ? "figures" : "figures bars"}>
        <caption className="quiet">list price − savings + waste = paid, from the ledger, to the nano-dollar</caption>
        <tbody>
          {all.map((step) => (
            <tr key={step.name}>
              <th scope="row">{step.name}</th>
              <td className="number">{usd(step.amount)}</td>
              <td className="number share">{percent(step.amount < 0n ? -step.amount : step.amount, list)}</td>
              {asTable ? null : (
                <td className="bar">
                  <svg viewBox={`0 0 ${WIDTH} ${ROW}`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
                    <rect
                      className={step.kind}
                      x={step.from * WIDTH}
                      y="5"
                      width={Math.max(1, (step.to - step.from) * WIDTH)}
                      height={ROW - 10}
                      rx="2"
                    />
                  </svg>
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
