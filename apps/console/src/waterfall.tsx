import { useState } from "react";
import { accountName, decimalsOf, percent, signedUsd, usd } from "./format.ts";
import type { Sums } from "./overview.ts";

interface Step {
  readonly name: string;
  readonly kind: "total" | "saving" | "waste";
  readonly amount: bigint;
  /** Where the bar lies, as shares of the widest total (0..1). */
  readonly from: number;
  readonly to: number;
}

function steps(receipt: Sums): { steps: Step[]; balances: boolean } {
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

const ROW = 24;
const WIDTH = 600;

const Bar = ({ step }: { step: Step }) => (
  <td className="bar">
    <svg viewBox={`0 0 ${WIDTH} ${ROW}`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
      <rect className={step.kind} x={step.from * WIDTH} y="3" width={Math.max(2, (step.to - step.from) * WIDTH)} height={ROW - 6} />
    </svg>
  </td>
);

/** List price, what each mechanism took off, waste and what was paid, to the nano-dollar. Savings carry a minus, in dollars as in percent. */
export function WaterfallRows({ receipt, bars }: { receipt: Sums; bars: boolean }) {
  const { steps: all, balances } = steps(receipt);
  const list = BigInt(receipt.list_nano_usd);
  const decimals = decimalsOf(all.map((step) => step.amount));
  return (
    <>
      {balances ? null : (
        <p className="alarm" role="alert">
          The lines do not sum to what was paid.
        </p>
      )}
      <table className={bars ? "figures bars" : "figures"}>
        <caption className="quiet">list price − savings + waste = paid, from the ledger, to the nano-dollar</caption>
        <thead className="hidden">
          <tr>
            <th scope="col">line</th>
            <th scope="col">amount</th>
            <th scope="col">share of the list price</th>
            {bars ? <th scope="col">bar</th> : null}
          </tr>
        </thead>
        <tbody>
          {all.map((step) => (
            <tr key={step.name} className={step.kind}>
              <th scope="row">{step.name}</th>
              <td className="number">{step.kind === "total" ? usd(step.amount, decimals) : signedUsd(step.amount, decimals)}</td>
              <td className="number share">
                {step.kind === "waste" ? "+" : ""}
                {percent(step.amount, list)}
              </td>
              {bars ? <Bar step={step} /> : null}
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

/** The window's receipt, as bars or as the table of exact figures. */
export function Waterfall({ receipt }: { receipt: Sums }) {
  const [bars, setBars] = useState(true);
  return (
    <section aria-labelledby="waterfall-title">
      <header className="row">
        <h2 id="waterfall-title">Savings</h2>
        <button type="button" onClick={() => setBars(!bars)} aria-pressed={!bars}>
          as a table
        </button>
      </header>
      <WaterfallRows receipt={receipt} bars={bars} />
    </section>
  );
}
