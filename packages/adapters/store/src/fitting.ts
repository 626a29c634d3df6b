/** How much is taken at a time: until it holds so many items, or so many bytes. */
export interface Most {
  readonly items: number;
  readonly maxBytes: number;
}

/** The rows before which there is room for more; the first always is. A row is one item where it does not say. */
export function fitting<T extends { readonly bytes: number; readonly items?: number }>(rows: readonly T[], most: Most): T[] {
  let [items, bytes] = [0, 0];
  return rows.filter((row) => {
    const fits = items < most.items && bytes < most.maxBytes;
    items += row.items ?? 1;
    bytes += row.bytes;
    return fits;
  });
}
