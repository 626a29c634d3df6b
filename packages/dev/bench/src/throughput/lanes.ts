import { instantLanes } from "../stack/instant-lane.ts";

/** One short sentence an answer. */
export default instantLanes(27);
