import { openStore, type Store, type StoreOptions } from "@slowboat/store";

/**
 * A store that is opened anew when a connection was lost: for a reader or a heartbeat that outlives the server. What was under way then
 * fails within seconds, or was done.
 */
export function reopeningStore(url: string, options: Omit<StoreOptions, "onLost">): Store {
  const open = (): Store =>
    openStore(url, {
      ...options,
      onLost: () => {
        const lost = current;
        current = open();
        lost.close().catch(() => undefined); // it is gone already
      },
    });
  let current = open();
  return {
    url,
    get sql() {
      return current.sql;
    },
    begin: (work) => current.begin(work),
    close: () => current.close(),
  };
}
