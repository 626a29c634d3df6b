import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createLanes, withOwnLanes } from "./index.ts";

const dir = mkdtempSync(join(tmpdir(), "slowboat-own-lanes-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let made = 0;
const moduleOf = (source: string): string => {
  const path = join(dir, `lanes-${made++}.mjs`);
  writeFileSync(path, source);
  return path;
};
const built = createLanes({ openai: { apiKey: "k" }, emulated: true });
const own = (source: string) => withOwnLanes(built, moduleOf(source), { emulated: true });

test("a lane of one's own takes the place of the built-in one with its id, and leaves the others", async () => {
  const lanes = await own(
    `export default ({ emulated }) => [{ id: "openai", account: "a", emulated, shape: "call",
      call: async ({ attemptId }) => ({ kind: "answered", attemptId, statusCode: 200, body: "{}", requestId: null }), stream: () => {} }];`,
  );
  expect([...lanes.keys()]).toEqual([...built.keys()]);
  const lane = lanes.get("openai");
  if (lane?.shape !== "call") throw new Error("the lane is a call lane");
  const request = { attemptId: "att_1", endpoint: "/v1/chat/completions", model: "m", body: "{}" } as const;
  expect(await lane.call(request, AbortSignal.timeout(1000))).toMatchObject({ kind: "answered", attemptId: "att_1" });
  expect(lanes.get("openai-batch")).toBe(built.get("openai-batch"));
});

test.each([
  ["no lanes at all", "export const x = 1;", /SLOWBOAT_LANES.*no default export/],
  ["something else than a list", "export default () => ({});", /list of lanes/],
  ["a lane without an id", "export default () => [{}];", /lane 0 has no id/],
  ["a lane of an unknown shape", 'export default () => [{ id: "x", account: "a", shape: "ring" }];', /lane 0 \(x\) has the shape "ring"/],
  ["a call lane that cannot stream", 'export default () => [{ id: "x", account: "a", shape: "call", call() {} }];', /\(x\) has no method stream/],
  ["a maker that throws", 'export default () => { throw new Error("no card"); };', /SLOWBOAT_LANES.*the default export failed: no card/],
  ["a module that throws", 'throw new Error("no such engine");', /SLOWBOAT_LANES.*no such engine/],
])("a module with %s is refused with what it lacks", async (_what, source, message) => {
  await expect(own(source)).rejects.toThrow(message);
});

test("a module that is not there is named", async () => {
  await expect(withOwnLanes(built, join(dir, "nowhere.mjs"), { emulated: true })).rejects.toThrow(/SLOWBOAT_LANES.*nowhere\.mjs/);
});
