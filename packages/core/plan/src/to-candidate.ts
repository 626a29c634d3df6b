import type { Candidate } from "@slowboat/contract";
import type { Option } from "./option.ts";

/** An option as the record shows it. */
export const toCandidate = (option: Option): Candidate => ({
  lane: option.lane,
  eligible: option.out === null,
  why: option.why,
  priceNano: option.priceNano?.toString() ?? null,
  expectedNano: option.expectedNano?.toString() ?? null,
  inTime: Number.isFinite(option.finishMs) ? Math.round(option.inTime * 1e4) / 1e4 : null,
  ...(option.missed === null ? {} : { missed: Number(option.missed.toPrecision(3)) }),
});
