import { useCallback, useEffect, useState } from "react";
import { fetchOverview, KeyRefused } from "./ask.ts";
import { BatchPanel } from "./batch-panel.tsx";
import { BudgetAlerts, Budgets } from "./budgets.tsx";
import { Empty, EmptyWindow } from "./empty.tsx";
import { counted, exact, usd } from "./format.ts";
import { JobPanel } from "./job-panel.tsx";
import { Login, Logo } from "./login.tsx";
import type { Overview } from "./overview.ts";
import { Emulated } from "./panel.tsx";
import { ReuseByMeaning } from "./reuse.tsx";
import { ShadowPolicies } from "./shadow.tsx";
import { Batches, Jobs, Lanes } from "./tables.tsx";
import { Tiles, WindowSwitch } from "./totals.tsx";
import { Waterfall } from "./waterfall.tsx";

const POLL_MS = 2_000;
const KEY = "slowboat.key";
const FILTERS = ["window", "state", "lane", "batch"];

type SetFilter = (name: string, value: string) => void;

/** The address holds everything that is looked at: the window, the filters and what is open. */
function useAddress(): { filters: URLSearchParams; setFilter: SetFilter } {
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
  return { filters, setFilter };
}

interface Watched {
  readonly overview: Overview | null;
  readonly trouble: string | null;
  readonly again: () => void;
  readonly show: (overview: Overview | null) => void;
}

/** Reads the page's figures every two seconds; what was read last stays when the server does not answer. */
function useOverview(key: string | null, input: { readonly asked: string; readonly refused: () => void }): Watched {
  const { asked, refused } = input;
  const [overview, show] = useState<Overview | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new turn is a wish to look at once.
  useEffect(() => {
    if (key === null) return;
    let gone = false;
    let timer: ReturnType<typeof setTimeout>;
    const look = async (): Promise<void> => {
      try {
        const seen = await fetchOverview(key, asked);
        if (gone) return;
        show(seen);
        setTrouble(null);
      } catch (error) {
        if (gone) return;
        if (error instanceof KeyRefused) return refused();
        setTrouble(error instanceof Error ? error.message : "Slowboat does not answer.");
      }
      timer = setTimeout(() => void look(), POLL_MS);
    };
    void look();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [key, asked, refused, turn]);
  const again = useCallback(() => setTurn((old) => old + 1), []);
  return { overview, trouble, again, show };
}

function Notices({ overview, trouble, again }: { overview: Overview; trouble: string | null; again: () => void }) {
  return (
    <>
      {trouble === null ? null : (
        <div className="alarm row" role="status">
          <span>
            {trouble} These figures are from {exact(overview.now_ms)}.
          </span>
          <button type="button" onClick={again}>
            Try again
          </button>
        </div>
      )}
      {overview.unpriced > 0 ? (
        <p className="alarm">{counted(overview.unpriced, "answer has", "answers have")} no price and stand in no sum.</p>
      ) : null}
      {overview.suspense.attempts > 0 ? (
        <p className="alarm">
          {counted(overview.suspense.attempts, "attempt is", "attempts are")} in suspense: up to {usd(BigInt(overview.suspense.nano_usd))} may have
          been charged without an answer.
        </p>
      ) : null}
      <BudgetAlerts overview={overview} />
    </>
  );
}

function Top({ overview, leave }: { overview: Overview; leave: () => void }) {
  return (
    <header className="top">
      <div className="row">
        <Logo />
        {overview.emulated ? <Emulated /> : null}
        <span className="quiet clock" title="job time">
          {exact(overview.now_ms)}
          {overview.scale > 1 ? ` · ${overview.scale}× the wall clock` : ""}
        </span>
        <button type="button" className="leave" onClick={leave}>
          Sign out
        </button>
      </div>
    </header>
  );
}

/** Brings the list of jobs into view, once it shows what was asked for. */
const toJobs = (): void => {
  requestAnimationFrame(() => document.getElementById("jobs-title")?.scrollIntoView());
};

function Body({ overview, filters, setFilter }: { overview: Overview; filters: URLSearchParams; setFilter: SetFilter }) {
  const open = useCallback((id: string) => setFilter("open", id), [setFilter]);
  const chooseLane = (lane: string): void => {
    setFilter("lane", lane);
    if (lane !== "") toJobs();
  };
  if (overview.newest_at_ms === null) return <Empty apiUrl={overview.api_url} />;
  const idle = overview.lanes.length === 0 && overview.batches.length === 0 && overview.receipt.list_nano_usd === "0";
  return (
    <>
      <WindowSwitch overview={overview} wish={filters.get("window")} choose={(key) => setFilter("window", key)} />
      {idle ? (
        <EmptyWindow overview={overview} showAll={() => setFilter("window", "all")} />
      ) : (
        <>
          <Tiles overview={overview} />
          <Budgets overview={overview} />
          <Waterfall receipt={overview.receipt} />
          <Lanes overview={overview} chosen={filters.get("lane") ?? ""} choose={chooseLane} />
          <ReuseByMeaning reuse={overview.reuse} />
          <ShadowPolicies shadows={overview.shadows} />
          <Batches overview={overview} open={open} />
          <Jobs overview={overview} filters={filters} setFilter={setFilter} open={open} />
        </>
      )}
    </>
  );
}

function Opened({
  overview,
  apiKey,
  id,
  setFilter,
  refused,
}: {
  overview: Overview;
  apiKey: string;
  id: string;
  setFilter: SetFilter;
  refused: () => void;
}) {
  const open = useCallback((other: string) => setFilter("open", other), [setFilter]);
  const close = useCallback(() => setFilter("open", ""), [setFilter]);
  const shared = { apiKey, apiUrl: overview.api_url, id, nowMs: overview.now_ms, emulated: overview.emulated, close, refused };
  const showJobs = (batch: string): void => {
    setFilter("batch", batch);
    close();
    toJobs();
  };
  if (id.startsWith("job_")) return <JobPanel key={id} {...shared} open={open} />;
  return <BatchPanel key={id} {...shared} showJobs={showJobs} />;
}

/** The console: one page, and a drawer for what is opened on it. */
export function App() {
  const [key, setKey] = useState(() => sessionStorage.getItem(KEY));
  const [refusedKey, setRefusedKey] = useState<string | null>(null);
  const { filters, setFilter } = useAddress();
  const asked = new URLSearchParams(FILTERS.flatMap((name) => (filters.get(name) === null ? [] : [[name, filters.get(name) ?? ""]]))).toString();

  const refused = useCallback(() => {
    sessionStorage.removeItem(KEY);
    setRefusedKey(key);
    setKey(null);
  }, [key]);
  const { overview, trouble, again, show } = useOverview(key, { asked, refused });
  const leave = useCallback(() => {
    sessionStorage.removeItem(KEY);
    setRefusedKey(null);
    setKey(null);
    show(null);
  }, [show]);

  if (key === null) {
    const enter = (good: string, seen: Overview): void => {
      sessionStorage.setItem(KEY, good);
      show(seen);
      setKey(good);
    };
    return <Login refused={refusedKey} filters={asked} onOpen={enter} />;
  }
  if (overview === null) {
    return (
      <main className="login">
        <div className="waiting" role="status">
          <Logo />
          <p>{trouble ?? "Looking…"}</p>
          {trouble === null ? null : (
            <p className="row">
              <button type="button" className="primary" onClick={again}>
                Try again
              </button>
              <button type="button" onClick={leave}>
                Use another key
              </button>
            </p>
          )}
        </div>
      </main>
    );
  }
  const open = filters.get("open");
  return (
    <>
      <Top overview={overview} leave={leave} />
      <main>
        <Notices overview={overview} trouble={trouble} again={again} />
        <Body overview={overview} filters={filters} setFilter={setFilter} />
      </main>
      {open === null ? null : <Opened overview={overview} apiKey={key} id={open} setFilter={setFilter} refused={refused} />}
    </>
  );
}
