/** The webhook step: signs what the outbox holds and delivers it, to public addresses only, on a bounded schedule. */
export { createDeliverer, type Deliverer } from "./deliver.ts";
export { guardedAgent } from "./guarded-agent.ts";
export { nextTry } from "./schedule.ts";
