/**
 * The benches: every figure that the house claims, one command each. What they stand on (an installation as processes on a folder of its
 * own, and what it runs on) is lent to the soak, which asks of the same stack whether it is right, not how fast it is.
 */
export { machine } from "./machine.ts";
export { NOWHERE, startApps, startEmulator } from "./stack/apps.ts";
export { type Ground, prepareGround } from "./stack/ground.ts";
export { rounded } from "./stats.ts";
