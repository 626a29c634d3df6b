/**
 * The provider emulator: OpenAI and Anthropic over HTTP, with token-accurate usage, published queue times, a virtual clock, scripted
 * faults and an invoice of its own. It exists so that the whole system can be run, tested and priced without spending money, against
 * something that cannot agree with the system's own mistakes: it leans on the kernel only and shares no schema and no price with the lanes.
 * `src/main.ts` is the same as a process.
 */
export type { Invoice } from "./invoice.ts";
export { slotDice } from "./model/dice.ts";
export type { FaultRule } from "./model/faults.ts";
export { CALM, drawPlan } from "./model/turnaround.ts";
export type { Charge } from "./model/types.ts";
export { type Emulator, type EmulatorOptions, startEmulator } from "./start.ts";
