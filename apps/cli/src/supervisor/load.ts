import { availableParallelism, loadavg } from "node:os";

/** Job ms in a machine ms on an idle machine: eight hours in two minutes. The embedding alone takes over a minute on two slow cores, and has to end within them. */
const IDLE_SCALE = 240;
/** Above so many runnable processes a core a night takes longer: a rescue at the end of it must still fit into machine time. */
const STEPS = [
  { above: 4, scale: 60 },
  { above: 1.5, scale: 120 },
] as const;

/** The pace that a machine under this load (processes a core, of the last minute) can hold. */
export const scaleFor = (loadPerCore: number): number => STEPS.find(({ above }) => loadPerCore > above)?.scale ?? IDLE_SCALE;

/** Processes a core over the last minute; 0 where the system does not tell. */
export const loadPerCore = (): number => (loadavg()[0] ?? 0) / availableParallelism();
