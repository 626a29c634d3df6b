import { Command } from "./copy.tsx";
import { count, counted, decimalsOf, exact, percent, signedUsd, usd } from "./format.ts";
import type { Overview, Shadow } from "./overview.ts";
import { Head } from "./tables.tsx";

const SWITCH_ON = `echo '{"batchPatience": 0.25}' > policy.json\nSLOWBOAT_SHADOW_POLICY=policy.json npx slowboat up`;
/** The lane of a job that the shadow policy would not have placed. */
const NOWHERE = "none";

/** What a policy that watches would have decided; where none has watched, how to have one. */
export function ShadowPolicies({ shadows }: { shadows: Overview["shadows"] }) {
  return (
    <section aria-labelledby="shadow-title">
      <h2 id="shadow-title">Shadow policy</h2>
      {shadows.length === 0 ? (
        <>
          <p className="quiet">
            None has decided on a job of yours. A shadow policy takes every decision of the planner as well and never acts; here it shows how often it
            would have chosen another lane, and what it expected to pay. Whoever runs this installation switches it on with a file of the numbers that
            are to differ, and a start:
          </p>
          <Command text={SWITCH_ON} what="the commands" />
        </>
      ) : (
        shadows.map((shadow) => <Watched key={JSON.stringify(shadow.values)} shadow={shadow} />)
      )}
    </section>
  );
}

const valuesOf = ({ values }: Shadow): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ") || "the live policy's own values";

function Watched({ shadow }: { shadow: Shadow }) {
  const { decisions, agreed, fromMs, untilMs, differ } = shadow;
  const rows = [
    { ...shadow, key: "all", lane: "all decisions", would: "" },
    ...differ.map((row) => ({ ...row, key: `${row.lane} ${row.shadowLane}`, would: row.shadowLane === NOWHERE ? "not placed" : row.shadowLane })),
  ].map((row) => ({ ...row, live: BigInt(row.expected_nano_usd), other: BigInt(row.shadow_expected_nano_usd) }));
  const decimals = decimalsOf(rows.flatMap(({ live, other }) => [live, other]));
  return (
    <>
      <p>
        With <code>{valuesOf(shadow)}</code>: {count(agreed)} of {counted(decisions, "decision")} the same (
        {percent(BigInt(agreed), BigInt(decisions))}).{" "}
        <span className="quiet">
          {exact(fromMs)} to {exact(untilMs)}
        </span>
      </p>
      <table className="cards short shadows">
        <Head columns={["went to", "would have gone to", "#decisions", "#expected", "#under this policy", "#difference"]} />
        <tbody>
          {rows.map(({ key, lane, would, decisions: times, live, other }) => (
            <tr key={key} className={key === "all" ? "total" : ""}>
              <th scope="row">{lane}</th>
              <td data-label="would have gone to" className={would === "" ? "blank" : ""}>
                {would}
              </td>
              <td className="number" data-label="decisions">
                {count(times)}
              </td>
              <td className="number" data-label="expected">
                {usd(live, decimals)}
              </td>
              <td className="number" data-label="under this policy">
                {usd(other, decimals)}
              </td>
              <td className={`number ${other > live ? "bad" : ""}`} data-label="difference">
                {signedUsd(other - live, decimals)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="quiet footnote">
        What both expected, not what was paid: for that, <code>npx slowboat replay</code> runs the same jobs under both.
        {differ.some((row) => row.shadowLane === NOWHERE) ? " What it would not have placed counts as nothing on its side." : ""}
        {differ.length === 0 ? " They never differed in the lane." : ""}
      </p>
    </>
  );
}
