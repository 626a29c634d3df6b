import { createServer } from "node:net";
import { expect, test } from "vitest";
import { testClock, watchLeaks } from "./index.ts";

test("a server left open is named, and a closed one is not", async () => {
  const leaks = watchLeaks();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await expect(leaks.check()).rejects.toThrow("TCPServerWrap");
  await new Promise((resolve) => server.close(resolve));
  await leaks.check();
});

test("the test's clock moves both times when told, at its scale", () => {
  const clock = testClock(1000, 10);
  clock.advance(500);
  expect([clock.job(), clock.real()]).toEqual([1500, 1050]);
});
