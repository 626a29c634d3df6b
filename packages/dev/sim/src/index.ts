/** The simulator. */
export { runWorld } from "./world.ts";
