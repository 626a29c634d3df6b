import { instantLanes } from "../stack/instant-lane.ts";

/** Answers as long as the requests of the large batch. */
export default instantLanes(3500);
