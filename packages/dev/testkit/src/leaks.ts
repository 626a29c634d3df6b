import { setTimeout as pause } from "node:timers/promises";

const WATCHED = ["TCPSocketWrap", "TCPServerWrap", "PipeWrap", "ProcessWrap", "FSReqPromise", "MessagePort"];
const SETTLE_MS = 3000;

/**
 * Remembers the sockets, servers, pipes, child processes and threads open now; `check` throws when more of a kind are open later, after
 * giving those that are closing three seconds.
 */
export function watchLeaks(): { check(): Promise<void> } {
  const before = count();
  return {
    check: async () => {
      const until = performance.now() + SETTLE_MS;
      for (;;) {
        const now = count();
        const more = WATCHED.filter((kind) => (now.get(kind) ?? 0) > (before.get(kind) ?? 0));
        if (more.length === 0) return;
        if (performance.now() > until)
          throw new Error(`left open: ${more.map((kind) => `${kind} ${before.get(kind) ?? 0} -> ${now.get(kind)}`).join(", ")}`);
        await pause(10);
      }
    },
  };
}

function count(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}
