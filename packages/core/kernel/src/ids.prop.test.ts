import fc from "fast-check";
import { expect, test } from "vitest";
import { ID_PREFIX, type IdKind, idFloor, isId, newId, seededRng } from "./index.ts";

const SEED = 20_261_128;
const KINDS = Object.keys(ID_PREFIX) as IdKind[];
const made = fc.record({
  kind: fc.constantFrom(...KINDS),
  nowMs: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
});
const idOf = ({ kind, nowMs, seed }: { kind: IdKind; nowMs: number; seed: number }): string => newId(kind, nowMs, seededRng(seed));

test(`an id is known again as what it is and as nothing else, whenever and with whatever dice it was made (seed ${SEED})`, () => {
  fc.assert(
    fc.property(made, (wish) => {
      const id = idOf(wish);
      expect(KINDS.filter((kind) => isId(kind, id))).toEqual([wish.kind]);
      expect(id >= idFloor(wish.kind, wish.nowMs)).toBe(true);
      // Nothing of it is escaped on its way through a path, a header, a file name or a provider's custom_id.
      expect([encodeURIComponent(id), JSON.stringify(id)]).toEqual([id, `"${id}"`]);
      expect(id.length).toBeLessThanOrEqual(64);
    }),
    { seed: SEED },
  );
});

test(`an id that was cut, lengthened or changed to another alphabet is no id (seed ${SEED})`, () => {
  fc.assert(
    fc.property(made, fc.nat({ max: 31 }), fc.constantFrom("g", "G", "-", "%", " ", "A"), (wish, at, strange) => {
      const id = idOf(wish);
      const cut = ID_PREFIX[wish.kind].length + at;
      const changed = [
        id.slice(0, cut),
        `${id}0`,
        `${id.slice(0, cut)}${strange}${id.slice(cut + 1)}`,
        id.toUpperCase(),
        ` ${id}`,
        encodeURIComponent(` ${id}`),
      ];
      for (const other of changed) expect([other, KINDS.filter((kind) => isId(kind, other))]).toEqual([other, []]);
    }),
    { seed: SEED },
  );
});

test("an id says its time in twelve digits; the floor of an instant before all time is below every id", () => {
  const nowMs = 2 ** 47 + 2 ** 31 + 7;
  expect(newId("job", nowMs, seededRng(1)).slice(4, 16)).toBe(nowMs.toString(16));
  expect(newId("job", 255, seededRng(1)).slice(4, 16)).toBe("0000000000ff");
  for (const early of [-1, -86_400_000, Number.NEGATIVE_INFINITY]) expect(idFloor("job", early) <= newId("job", 0, seededRng(1))).toBe(true);
});
