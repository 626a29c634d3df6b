import { type FormEvent, useCallback, useEffect, useState } from "react";
import { exact, length, percent, usd } from "./format.ts";
import { fetchOverview, KeyRefused, type Overview } from "./overview.ts";
import { Batches, Jobs, Lanes } from "./tables.tsx";
import { Waterfall } from "./waterfall.tsx";

const POLL_MS = 2_000;
const KEY = "slowboat.key";

function AskKey({ refused, onKey }: { refused: boolean; onKey: (key: string) => void }) {
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const key = new FormData(event.currentTarget).get("key");
    if (typeof key === "string" && key.trim() !== "") onKey(key.trim());
  };
  return (
    <form className="ask" onSubmit={submit}>
      <h1>Slowboat</h1>
      <label htmlFor="key">API key</label>
      <input id="key" name="key" type="password" autoComplete="off" required />
      {refused ? (
        <p className="alarm" role="alert">
          This key is not known here, or it was revoked.
        </p>
      ) : null}
      <button type="submit">Show my jobs</button>
      <p className="quiet">The key was printed once when Slowboat first started. It stays in this tab.</p>
    </form>
  );
}

function Tiles({ overview }: { overview: Overview }) {
  const list = BigInt(overview.receipt.list_nano_usd);
  const paid = BigInt(overview.receipt.paid_nano_usd);
  const live = overview.lanes.reduce((sum, lane) => sum + lane.live, 0);
  const oldest = overview.lanes.flatMap((lane) => (lane.oldestAtMs === null ? [] : [lane.oldestAtMs]));
  const { met, missed, running } = overview.deadlines;
  const tiles: [string, string, string][] = [
    ["in flight", String(live), oldest.length === 0 ? "nothing waits" : `oldest for ${length(overview.now_ms - Math.min(...oldest))}`],
    ["deadlines", `${met} met`, missed > 0 ? `${missed} missed, ${running} running` : `none missed, ${running} running`],
    ["list price", usd(list), "same models, real time"],
    ["paid", usd(paid), overview.emulated ? "emulated: no money" : `last ${overview.hours} h`],
    ["saved", usd(list - paid), percent(list - paid, list)],
  ];
  return (
    <dl className="tiles">
      {tiles.map(([name, value, note]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
          <dd className="quiet">{note}</dd>
        </div>
      ))}
    </dl>
  );
}

function Empty({ apiUrl }: { apiUrl: string | null }) {
  const base = apiUrl ?? "http://127.0.0.1:8787";
  return (
    <section>
      <h2>Nothing here yet</h2>
      <p>One of these fills the page:</p>
      <pre>{`npm start
npx slowboat submit requests.jsonl --deadline 06:00
curl ${base}/v1/jobs -H "authorization: Bearer $SLOWBOAT_API_KEY" -H "content-type: application/json" \\
  -d '{"endpoint":"/v1/chat/completions","deadline":"4h","body":{"model":"gpt-5-mini","messages":[{"role":"user","content":"Hello"}]}}'`}</pre>
    </section>
  );
}

function Notices({ overview, stale }: { overview: Overview; stale: string | null }) {
  return (
    <>
      {stale === null ? null : (
        <p className="alarm" role="status">
          {stale}
        </p>
      )}
      {overview.unpriced > 0 ? <p className="alarm">{overview.unpriced} answers have no price and stand in no sum.</p> : null}
      {overview.suspense.attempts > 0 ? (
        <p className="alarm">
          {overview.suspense.attempts} attempts are in suspense: up to {usd(BigInt(overview.suspense.nano_usd))} may have been charged without an
          answer.
        </p>
      ) : null}
    </>
  );
}

export function App() {
  const [key, setKey] = useState(() => sessionStorage.getItem(KEY));
  const [refused, setRefused] = useState(false);
  const [overview, setOverview] = useState<Overview | null>(null);
  const [stale, setStale] = useState<string | null>(null);
  const [filters, setFilters] = useState(() => new URLSearchParams(location.search));

  const setFilter = useCallback((name: string, value: string) => {
    setFilters((old) => {
      const next = new URLSearchParams(old);
      if (value === "") next.delete(name);
      else next.set(name, value);
      history.replaceState(null, "", next.size === 0 ? location.pathname : `?${next}`);
      return next;
    });
  }, []);

  useEffect(() => {
    if (key === null) return;
    let gone = false;
    let timer: ReturnType<typeof setTimeout>;
    const look = async (): Promise<void> => {
      try {
        const seen = await fetchOverview(key, filters);
        if (gone) return;
        sessionStorage.setItem(KEY, key);
        setOverview(seen);
        setStale(null);
      } catch (error) {
        if (gone) return;
        if (error instanceof KeyRefused) {
          sessionStorage.removeItem(KEY);
          setRefused(true);
          setKey(null);
          return;
        }
        setStale(`These figures are old: the server does not answer (${error instanceof Error ? error.message : "unknown error"}).`);
      }
      timer = setTimeout(() => void look(), POLL_MS);
    };
    void look();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [key, filters]);

  if (key === null) return <AskKey refused={refused} onKey={setKey} />;
  if (overview === null) return <p className="ask">{stale ?? "Looking…"}</p>;
  const empty = overview.jobs.length === 0 && overview.batches.length === 0 && filters.size === 0;
  return (
    <main>
      <header className="row top">
        <h1>Slowboat</h1>
        {overview.emulated ? <strong className="badge">emulated provider: no money is spent</strong> : null}
        <span className="quiet clock">
          {exact(overview.now_ms)}
          {overview.scale > 1 ? `, ${overview.scale} times faster than the wall clock` : ""}
        </span>
      </header>
      <Notices overview={overview} stale={stale} />
      {empty ? <Empty apiUrl={overview.api_url} /> : null}
      <Tiles overview={overview} />
      <Waterfall receipt={overview.receipt} />
      <Lanes overview={overview} choose={(lane) => setFilter("lane", lane)} />
      <Batches overview={overview} />
      <Jobs overview={overview} filters={filters} setFilter={setFilter} />
    </main>
  );
}
