/** Data for whoever reads us; nothing else goes to stdout. Waits when a pipe is full. */
export const data = (text: string): Promise<void> =>
  new Promise((done, failed) => process.stdout.write(text.endsWith("\n") ? text : `${text}\n`, (error) => (error ? failed(error) : done())));

/** A word to the person at the terminal. */
export const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

/** How wide the terminal is and whether it may be coloured; wide and plain where there is none. */
export const look = (stream: NodeJS.WriteStream, noColor: string | undefined): { readonly columns: number; readonly colour: boolean } => ({
  columns: stream.isTTY ? (stream.columns ?? 80) : 100,
  colour: stream.isTTY === true && noColor === undefined,
});

/**
 * Resolves with why this process should stop: Ctrl-C, a signal, a closed terminal, or the end of the process that started it. Ctrl-C
 * in a terminal arrives twice (from the terminal and through the launcher), so a second one counts after a second, and then ends at once.
 */
export function askedToStop(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let first: number | null = null;
  const on = (why: string) => (): void => {
    if (first !== null && performance.now() - first > 1000) process.exit(130);
    first ??= performance.now();
    resolve(why);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, on(signal));
  if (process.connected) process.on("disconnect", on("launcher-gone"));
  return promise;
}
