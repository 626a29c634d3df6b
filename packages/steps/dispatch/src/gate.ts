/** Lets a bounded number in at a time, in the order in which they came. */
export interface Gate {
  readonly width: number;
  /** Resolves when there is room; the returned function makes room again. */
  enter(): Promise<() => void>;
}

/** Makes a gate for `width` at a time. One gate a lane: chunks of one lane share its width, and no lane waits for another. */
export function createGate(width: number): Gate {
  let inside = 0;
  const waiting: (() => void)[] = [];
  const leave = (): void => {
    const next = waiting.shift();
    if (next) next();
    else inside--;
  };
  return {
    width,
    enter: async () => {
      if (inside < width) inside++;
      else await new Promise<void>((go) => waiting.push(go));
      let left = false;
      return () => {
        if (!left) leave();
        left = true;
      };
    },
  };
}
