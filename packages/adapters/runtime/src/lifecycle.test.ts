import { type ChildProcess, fork } from "node:child_process";
import { afterEach, expect, test } from "vitest";

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** Runs the fixture until it is ready, does `act` to it, and waits for its end. */
async function run(
  how: string,
  act: (child: ChildProcess, heard: unknown[]) => void | Promise<void>,
): Promise<{ heard: unknown[]; code: number | null; log: string }> {
  const child = fork(new URL("./lifecycle.fixture.ts", import.meta.url), [how], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  children.push(child);
  const heard: unknown[] = [];
  let log = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    log += text;
  });
  // "close" never comes for a child that its parent disconnected from.
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const read = new Promise((resolve) => child.stderr?.once("end", resolve));
  await new Promise<void>((resolve) =>
    child.on("message", (message) => {
      heard.push(message);
      if ((message as { kind?: string }).kind === "ready") resolve();
    }),
  );
  await act(child, heard);
  const code = await ended;
  await read;
  return { code, heard, log };
}
const heardOf = (child: ChildProcess, text: string): Promise<void> =>
  new Promise((resolve) => child.on("message", (message) => message === text && resolve()));

test("services start in order, the parent hears that they are ready, and SIGTERM stops them in reverse with code 0", async () => {
  const { heard, code, log } = await run("good", (child) => void child.kill("SIGTERM"));
  expect(heard).toEqual(["start a", "start b", { kind: "ready" }, "stop b", "stop a"]);
  expect(code).toBe(0);
  expect(log).toContain("process-stopping");
});

test("the loss of the parent stops the services too", async () => {
  const { code, log } = await run("good", (child) => child.disconnect());
  expect(code).toBe(0);
  expect(log).toContain("parent-lost");
});

test("another signal during a stop changes nothing", async () => {
  const { code, heard } = await run("good", (child) => {
    child.kill("SIGINT");
    child.kill("SIGTERM");
  });
  expect(code).toBe(0);
  expect(heard.slice(-2)).toEqual(["stop b", "stop a"]);
});

test("the same signal again ends a stop that hangs", async () => {
  const startedMs = performance.now();
  const { code } = await run("stuck", async (child) => {
    const stopping = heardOf(child, "stop b");
    child.kill("SIGINT");
    await stopping;
    child.kill("SIGINT");
  });
  expect(code).toBe(1);
  expect(performance.now() - startedMs).toBeLessThan(10_000);
});

test("a stop that takes longer than its grace ends the process and says so", async () => {
  const { code, log } = await run("stuck", (child) => void child.kill("SIGTERM"));
  expect(code).toBe(1);
  expect(log).toContain("process-stop-late");
});

test("a bug that nobody caught is logged before the process ends with code 70", async () => {
  const { code, log } = await run("crash", () => undefined);
  expect(code).toBe(70);
  expect(log).toContain("process-crashed");
  expect(log).toContain("a bug");
});

test("keys never reach the log, at the top of an event or inside it", async () => {
  const { log } = await run("secret", (child) => void child.kill("SIGTERM"));
  expect(log).toContain("job_1");
  expect(log).not.toContain("sk-");
});
