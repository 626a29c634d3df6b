import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

/** What a process writes that logs this and ends. */
function written(event: string): Record<string, unknown> {
  const module = fileURLToPath(new URL("./logger.ts", import.meta.url));
  const script = `const { createLogger } = await import(${JSON.stringify(module)}); createLogger("test").info(${event}, "noun-verb");`;
  const { stderr } = spawnSync(process.execPath, ["--input-type=module", "--disable-warning=ExperimentalWarning", "-e", script], {
    encoding: "utf8",
  });
  return JSON.parse(stderr.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

test("secrets are hidden at the top of an event and one level down, and everything else is written as it is", () => {
  const said = written(
    `{ other: Object.assign(Object.create(null), { secret: "s" }), apiKey: "sk-1", jobId: "job_1", request: { authorization: "Bearer x", path: "/v1" }, deep: { er: { body: "kept, two levels down" } } }`,
  );
  expect(said).toMatchObject({
    service: "test",
    msg: "noun-verb",
    other: { secret: "[Redacted]" },
    apiKey: "[Redacted]",
    jobId: "job_1",
    request: { authorization: "[Redacted]", path: "/v1" },
    deep: { er: { body: "kept, two levels down" } },
  });
});

test("an error keeps its type, message and stack, and its secrets to itself", () => {
  const event = `{ err: Object.assign(new TypeError("broke"), { code: "X", body: "a prompt", apiKey: "sk-1" }) }`;
  const { err } = written(event) as { err: Record<string, unknown> };
  expect(err).toMatchObject({ type: "TypeError", message: "broke", code: "X", body: "[Redacted]", apiKey: "[Redacted]" });
  expect(err["stack"]).toContain("TypeError: broke");
});
