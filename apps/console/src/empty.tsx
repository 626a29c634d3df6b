import { Command } from "./copy.tsx";
import { relative } from "./format.ts";
import type { Overview } from "./overview.ts";
import { windowWords } from "./totals.tsx";

/** Stands in place of the page while nothing was ever sent: the commands that fill it, with this installation's own address. */
export function Empty({ apiUrl }: { apiUrl: string | null }) {
  const base = apiUrl ?? "http://127.0.0.1:8787";
  const body = '{"endpoint":"/v1/chat/completions","deadline":"4h","body":{"model":"gpt-5-mini","messages":[{"role":"user","content":"Hello"}]}}';
  const curl = `curl ${base}/v1/jobs \\\n  -H "authorization: Bearer $SLOWBOAT_API_KEY" \\\n  -H "content-type: application/json" \\\n  -d '${body}'`;
  return (
    <section className="empty" aria-labelledby="empty-title">
      <h2 id="empty-title">No job has been sent yet</h2>
      <p className="quiet">Send one, and this page shows where it runs, whether it makes its deadline and what it saves.</p>
      <h3>A night of work over the documents that lie here</h3>
      <Command text="npm start" what="the command" />
      <h3>A file of requests, done by six in the morning</h3>
      <Command text="npx slowboat submit requests.jsonl --deadline 06:00" what="the command" />
      <h3>One request, within four hours</h3>
      <Command text={curl} what="the curl" />
    </section>
  );
}

/** Stands in place of the tables when the chosen window is empty and another is not. */
export function EmptyWindow({ overview, showAll }: { overview: Overview; showAll: () => void }) {
  return (
    <section className="empty" aria-labelledby="empty-title">
      <h2 id="empty-title">Nothing in {windowWords(overview.window.key)}</h2>
      <p className="quiet">
        {overview.newest_at_ms === null ? "" : `The newest work is from ${relative(overview.newest_at_ms, overview.now_ms)}, in job time. `}
        {overview.scale > 1 ? `Job time runs ${overview.scale} times faster than the clock on the wall.` : ""}
      </p>
      <button type="button" className="primary" onClick={showAll}>
        Show all of it
      </button>
    </section>
  );
}
