import { WINDOW_TOKENS } from "./use-lite.ts";

/** Windows read of one text; what lies behind them is not looked at. */
export const TEXT_WINDOWS_MAX = 8;

/** One stretch of one text, at most 128 tokens: what the encoder sees at a time. */
export interface Window {
  /** Index of the text in its call. */
  readonly text: number;
  readonly ids: readonly number[];
}

/** Cuts the token ids of each text into windows of 128, in reading order; a text without a token has none. */
export function cutWindows(texts: readonly (readonly number[])[]): Window[] {
  return texts.flatMap((ids, text) => {
    const windows: Window[] = [];
    for (let start = 0; start < ids.length; start += WINDOW_TOKENS) windows.push({ text, ids: ids.slice(start, start + WINDOW_TOKENS) });
    return windows;
  });
}

/**
 * Groups windows of like length, shortest first, so that count × longest, which is what a padded batch computes, stays within
 * `maxTokens`; a window is never split, so one that alone is longer has a batch to itself.
 */
export function packBatches(windows: readonly Window[], maxTokens: number): Window[][] {
  const batches: Window[][] = [];
  let batch: Window[] = [];
  for (const window of windows.toSorted((a, b) => a.ids.length - b.ids.length)) {
    // Sorted by length, so the newcomer is the longest: it sets the padded length of the batch it joins.
    if (batch.length > 0 && (batch.length + 1) * window.ids.length > maxTokens) {
      batches.push(batch);
      batch = [];
    }
    batch.push(window);
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
