import { type FormEvent, useEffect, useRef, useState } from "react";
import { fetchOverview, KeyRefused } from "./ask.ts";
import type { Overview } from "./overview.ts";

const REFUSED = "This key is not known here, or it was revoked.";

/** Asks for the API key and tries it. A key that does not open anything stays in its field, with the reason and the focus beside it. */
export function Login({
  refused,
  filters,
  onOpen,
}: {
  /** A key that was good before and is not any more. */
  refused: string | null;
  filters: string;
  onOpen: (key: string, overview: Overview) => void;
}) {
  const [problem, setProblem] = useState(refused === null ? null : REFUSED);
  const [trying, setTrying] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (!trying) field.current?.focus();
  }, [trying]);

  const attempt = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const key = field.current?.value.trim() ?? "";
    if (trying) return;
    if (key === "") {
      setProblem("Paste the key here first.");
      field.current?.focus();
      return;
    }
    setTrying(true);
    setProblem(null);
    try {
      onOpen(key, await fetchOverview(key, filters));
    } catch (error) {
      setProblem(error instanceof KeyRefused ? REFUSED : error instanceof Error ? error.message : "The key could not be tried.");
      setTrying(false);
    }
  };

  return (
    <main className="login">
      <form onSubmit={(event) => void attempt(event)} noValidate>
        <Logo />
        <p className="lead">Jobs, lanes and the receipt, to the nano-dollar.</p>
        <label htmlFor="key">API key</label>
        <input
          id="key"
          ref={field}
          type="password"
          autoComplete="off"
          spellCheck={false}
          placeholder="slowboat_live_…"
          defaultValue={refused ?? ""}
          aria-invalid={problem !== null}
          aria-describedby={problem === null ? "key-where" : "key-problem key-where"}
        />
        {problem === null ? null : (
          <p className="problem" id="key-problem" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" className="primary">
          {trying ? "Looking…" : problem === null || problem === REFUSED ? "Show my jobs" : "Try again"}
        </button>
        <p className="quiet" id="key-where">
          Slowboat printed the key once, at its first start. A key that it made itself also lies in <code>api-key.json</code> in the data folder (
          <code>.slowboat</code> in the checkout, unless <code>--data-dir</code> names another). Here it stays in this tab alone.
        </p>
      </form>
    </main>
  );
}

/** The name with its boat; the page's heading. */
export const Logo = () => (
  <h1 className="logo">
    <svg viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d="M1 10h14l-2 4H3zM7 2h2v7H7zM9 3l4 5H9z" />
    </svg>
    Slowboat
  </h1>
);
