import { type ReactNode, useEffect, useRef, useState } from "react";
import { KeyRefused, NotThere } from "./ask.ts";
import { Copy } from "./copy.tsx";
import { exact, relative } from "./format.ts";
import type { Receipt } from "./overview.ts";
import { WaterfallRows } from "./waterfall.tsx";

const POLL_MS = 5_000;

/** A drawer over the page, modal: it holds the focus, Escape closes it, and the focus goes back to what opened it. */
export function Panel({
  kind,
  id,
  emulated,
  close,
  children,
}: {
  kind: string;
  id: string;
  emulated: boolean;
  close: () => void;
  children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const from = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (from instanceof HTMLElement) from.focus();
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click beside the drawer closes it; Escape does so by the keyboard.
    <dialog
      ref={dialog}
      className="panel"
      aria-labelledby="panel-title"
      onClose={close}
      onClick={(event) => {
        if (event.target === dialog.current) close();
      }}
    >
      <div className="sheet">
        <header className="row">
          <h2 id="panel-title">{kind}</h2>
          {emulated ? <Emulated /> : null}
          <button type="button" className="close" onClick={close}>
            Close
          </button>
          <p className="whole-id">
            <span className="id">{id}</span>
            <Copy text={id} what={id} />
          </p>
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** Stands wherever a cost of the emulator shows. */
export const Emulated = () => <strong className="badge">emulated provider: no money is spent</strong>;

/** Reads what a panel shows, again and again while it may still change. */
export function useDetail<T extends { readonly state: string; readonly endedAtMs: number | null; readonly receipt: Receipt | null }>(
  read: (key: string, id: string) => Promise<T>,
  input: { readonly apiKey: string; readonly id: string; readonly refused: () => void },
): { readonly detail: T | null; readonly trouble: string | null } {
  const { apiKey, id, refused } = input;
  const [detail, setDetail] = useState<T | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout>;
    const look = async (): Promise<void> => {
      try {
        const seen = await read(apiKey, id);
        if (gone) return;
        setDetail(seen);
        setTrouble(null);
        if (seen.endedAtMs !== null && (seen.receipt !== null || seen.state !== "completed")) return;
      } catch (error) {
        if (gone) return;
        if (error instanceof KeyRefused) return refused();
        setTrouble(error instanceof NotThere ? "There is nothing of this id, or it is not yours." : error instanceof Error ? error.message : "");
        if (error instanceof NotThere) return;
      }
      timer = setTimeout(() => void look(), POLL_MS);
    };
    void look();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [read, apiKey, id, refused]);
  return { detail, trouble };
}

/** Name and value pairs; those without a value are left out. */
export const Facts = ({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) => (
  <dl className="facts">
    {facts
      .filter(([, value]) => value !== null)
      .map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
  </dl>
);

/** An instant with its distance; `null` stays `null`. */
export const instant = (atMs: number | null, nowMs: number): ReactNode =>
  atMs === null ? null : (
    <>
      {exact(atMs)} <span className="quiet">({relative(atMs, nowMs)})</span>
    </>
  );

/** What the ledger holds of one job or batch. */
export function ReceiptPart({ receipt, ended }: { receipt: Receipt | null; ended: boolean }) {
  return (
    <section aria-labelledby="receipt-title">
      <h3 id="receipt-title">Receipt</h3>
      {receipt === null ? (
        <p className="quiet">{ended ? "Nothing was charged." : "Nothing is settled yet."}</p>
      ) : receipt.priced ? (
        <WaterfallRows receipt={receipt} bars />
      ) : (
        <p className="alarm">The model has no price, so this stands in no sum.</p>
      )}
    </section>
  );
}
