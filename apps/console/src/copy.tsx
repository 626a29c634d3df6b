import { useEffect, useRef, useState } from "react";

/** Puts text on the clipboard; where the page has no right to (plain http on another host) by way of a selection. False when neither works. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const from = document.activeElement;
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "hidden";
    // Inside an open dialog nothing outside it can be selected.
    (from?.closest("dialog") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (from instanceof HTMLElement) from.focus();
    return done;
  }
}

type Outcome = "idle" | "copied" | "not copied";

/** A button that copies `text` and says for a moment whether it did. */
export function Copy({ text, what }: { text: string; what: string }) {
  const [outcome, setOutcome] = useState<Outcome>("idle");
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (): Promise<void> => {
    setOutcome((await copyText(text)) ? "copied" : "not copied");
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setOutcome("idle"), 2_000);
  };
  return (
    <button
      type="button"
      className={`copy ${outcome === "copied" ? "done" : ""}`}
      aria-label={`copy ${what}`}
      title={`copy ${what}`}
      onClick={() => void copy()}
    >
      <svg viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        {outcome === "copied" ? <path d="M2.5 8.5 6.5 12.5 13.5 4.5" /> : <path d="M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3" />}
      </svg>
      <span role="status">{outcome === "idle" ? "" : outcome}</span>
    </button>
  );
}

/** A command to take along: wraps on narrow screens, and is copied whole. */
export function Command({ text, what }: { text: string; what: string }) {
  return (
    <div className="command">
      <pre>{text}</pre>
      <Copy text={text} what={what} />
    </div>
  );
}
