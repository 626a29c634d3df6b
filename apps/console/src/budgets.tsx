import { exact, percent, usd } from "./format.ts";
import type { Budget, Overview } from "./overview.ts";

const PERIOD: Record<Budget["period"], string> = { total: "in all", day: "a day", month: "a month" };

/** Whose a budget is and of which period, as a sentence names it. */
const nameOf = (budget: Budget): string => `${budget.project === null ? "All work" : `Project ${budget.project}`}, ${PERIOD[budget.period]}`;

const WIDTH = 600;
const ROW = 24;

/** Spent, then reserved, of the amount; what goes beyond it fills the bar. */
function Bar({ budget }: { budget: Budget }) {
  const amount = BigInt(budget.amount_nano_usd);
  const spent = BigInt(budget.spent_nano_usd);
  const share = (nano: bigint): number => (amount <= 0n ? 1 : Math.min(1, Number((nano * 100_000n) / amount) / 100_000));
  const at = share(spent) * WIDTH;
  const upTo = share(spent + BigInt(budget.reserved_nano_usd)) * WIDTH;
  return (
    <td className="bar">
      <svg viewBox={`0 0 ${WIDTH} ${ROW}`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
        <rect className="room" x="0" y="3" width={WIDTH} height={ROW - 6} />
        <rect className="total" x="0" y="3" width={at} height={ROW - 6} />
        <rect className="held" x={at} y="3" width={upTo - at} height={ROW - 6} />
        {budget.alert_at === null ? null : <rect className="mark" x={Math.min(WIDTH - 2, budget.alert_at * WIDTH)} y="0" width="2" height={ROW} />}
      </svg>
    </td>
  );
}

/** The budgets of the tenant with what is spent, reserved and left of each; nothing where none is set. */
export function Budgets({ overview }: { overview: Overview }) {
  if (overview.budgets.length === 0) return null;
  return (
    <section aria-labelledby="budgets-title">
      <h2 id="budgets-title">Budgets</h2>
      <table className="cards short budgets">
        <thead>
          <tr>
            <th scope="col">budget</th>
            <th scope="col">used</th>
            <th scope="col" className="number">
              spent
            </th>
            <th scope="col" className="number">
              reserved
            </th>
            <th scope="col" className="number">
              left
            </th>
            <th scope="col">renews</th>
          </tr>
        </thead>
        <tbody>
          {overview.budgets.map((budget) => (
            <Row key={budget.id} budget={budget} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row({ budget }: { budget: Budget }) {
  const [amount, spent, held] = [BigInt(budget.amount_nano_usd), BigInt(budget.spent_nano_usd), BigInt(budget.reserved_nano_usd)];
  const left = amount - spent - held;
  return (
    <tr>
      <th scope="row">
        {nameOf(budget)}
        {budget.hard ? null : <span className="quiet"> · counts only</span>}
      </th>
      <Bar budget={budget} />
      <td className="number" data-label="spent">
        {usd(spent)}
      </td>
      <td className="number" data-label="reserved">
        {usd(held)}
      </td>
      <td className={`number ${left < 0n ? "bad" : ""}`} data-label="left">
        {usd(left)} of {usd(amount)}
      </td>
      <td data-label="renews">{budget.renews_at_ms === null ? <span className="quiet">never</span> : exact(budget.renews_at_ms)}</td>
    </tr>
  );
}

/** A line for each budget that has reached its alert share in this period. */
export function BudgetAlerts({ overview }: { overview: Overview }) {
  return overview.budgets
    .filter((budget) => budget.alerted_at_ms !== null)
    .map((budget) => {
      const amount = BigInt(budget.amount_nano_usd);
      const used = BigInt(budget.spent_nano_usd) + BigInt(budget.reserved_nano_usd);
      return (
        <p className="alarm" key={budget.id}>
          Budget “{nameOf(budget)}” reached {percent(BigInt(Math.round((budget.alert_at ?? 1) * 1000)), 1000n)} at {exact(budget.alerted_at_ms ?? 0)}:{" "}
          {usd(used)} of {usd(amount)} are spent or reserved.
        </p>
      );
    });
}
