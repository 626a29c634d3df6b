import { count, counted, exact } from "./format.ts";
import type { Overview } from "./overview.ts";

const share = (value: number): string => `${(100 * value).toFixed(2)} %`;

/** What reuse by meaning came to, and how wrong it was found to be; nothing for a tenant that never used it. */
export function ReuseByMeaning({ reuse }: { reuse: Overview["reuse"] }) {
  if (reuse === null) return null;
  const { asked, reused, explored, explored_wrong, error, families } = reuse;
  return (
    <section aria-labelledby="reuse-title">
      <h2 id="reuse-title">Answers given to other words</h2>
      <p>
        {count(reused)} of {counted(asked, "question was", "questions were")} answered from the cache
        {asked === 0 ? "" : ` (${share(reused / asked)})`}; {counted(explored, "more was", "more were")} asked anew to learn, {count(explored_wrong)}{" "}
        of them answered otherwise.{" "}
        {error === null
          ? "How many are wrong is not measured yet."
          : `Wrong: ${share(error.error)} of all questions, with 95 % certainty ${share(error.low)} to ${share(error.high)}.`}
      </p>
      {families.length === 0 ? null : (
        <table className="cards short">
          <thead>
            <tr>
              {["model", "family", "kept", "learned", "state"].map((name) => (
                <th key={name} scope="col" className={name === "kept" ? "number" : ""}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {families.map(({ family, model, entries, drifting, updatedAtMs }) => (
              <tr key={family}>
                <th scope="row">{model}</th>
                <td data-label="family" title={family}>
                  {family.slice(0, 12)}
                </td>
                <td className="number" data-label="kept">
                  {count(entries)}
                </td>
                <td data-label="learned">{exact(updatedAtMs)}</td>
                <td data-label="state">{drifting ? <strong className="bad">in drift: exact repetition only</strong> : "steady"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
